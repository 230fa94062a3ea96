/*
 * setup_account.c - part of `setup`: the homeserver, the bot's account, its token.
 */
#include <assert.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include "bot/base/alloc.h"
#include "bot/base/exit_code.h"
#include "bot/config/secret.h"
#include "bot/setup/credentials.h"
#include "bot/setup/login.h"
#include "bot/setup/password.h"
#include "bot/setup/question.h"
#include "bot/setup/register.h"
#include "bot/setup/replace_file.h"
#include "bot/setup/setup.h"

#define TRIES 3 /* attempts to type the password */

/* ---- the homeserver ---- */

static int setup_find_homeserver(struct setup *setup)
{
	const char *name = setup->config->matrix.homeserver;
	struct fault fault = {0};

	question_begin("Homeserver %s", name);
	if (ask_open(&setup->ask, setup->config, &fault) == OK) {
		question_end(
		        strcmp(ask_url(setup->ask), name) == 0 ? "found" : ask_url(setup->ask));
		return EX_OK;
	}
	question_end("not found");
	return setup_fail(exit_of(fault.code), "%s", fault.text);
}

int setup_homeserver(struct setup *setup)
{
	const char *now = setup->config->matrix.homeserver;
	char *name = NULL, *fallback = x_strdup_opt(setup_is_example(now) ? NULL : now);
	int code;

	do {
		code = setup_pick(setup, setup->options.homeserver, "homeserver",
		        "Homeserver (its name or URL)", fallback, &name);
		if (code != EX_OK)
			break;
		code = setup_set(setup, "matrix", "homeserver", name);
		if (code == EX_OK)
			code = setup_find_homeserver(setup);
		free(name);
	} while (code != EX_OK && setup->asks && !setup->options.homeserver);
	free(fallback);
	return code;
}

/* ---- an existing token ---- */

/* Whether the token belongs to the config's user; *code: the error if that cannot be determined. */
static bool setup_try_token(struct setup *setup, int *code)
{
	struct ask_answer answer;
	const char *user, *device;
	bool good = false;

	*code = EX_OK;
	if (ask_set_token(setup->ask, setup->token) != OK)
		return false;
	ask_call(setup->ask, "GET", "/v3/account/whoami", NULL, &answer);
	user = json_string_value(json_object_get(answer.body, "user_id"));
	device = json_string_value(json_object_get(answer.body, "device_id"));
	good = answer.code == OK && user && device && strcmp(user, setup->config->matrix.user) == 0;
	if (good) {
		printf("Account %s … logged in, device %s\n", user, device);
		setup->device_id = x_strdup(device);
	} else if (answer.code != OK && answer.code != ERR_AUTH) {
		*code = setup_fail(
		        exit_of(answer.code), "%s: %s", ask_url(setup->ask), answer.error);
	}
	ask_answer_finish(&answer);
	return good;
}

/* Whether the config, as it is now, leads to a valid token. */
static bool setup_has_token(struct setup *setup, int *code)
{
	const struct config_secret *source = &setup->config->matrix.token;
	bool is_credential = !source->command && !source->file, read, good;
	struct fault fault = {0};

	*code = EX_OK;
	read = secret_read(source, "token", &setup->token, &fault) == OK;
	good = read && setup_try_token(setup, code);
	if (is_credential && read && *code == EX_OK)
		printf("  Its token is systemd's credential \"token\"%s.\n",
		        good ? ", and stays there" : ", which is not valid: it will be replaced");
	if (good && source->file && daemon_user_give(&setup->daemon, source->file, &fault) != OK)
		*code = setup_fail(EX_CANTCREAT, "%s", fault.text);
	if (good)
		return true;
	x_wipe_free_str(setup->token);
	setup->token = NULL;
	ask_set_token(setup->ask, NULL);
	return false;
}

/* ---- the password ---- */

int setup_read_secret(const char *path, const char *name, char **out)
{
	const struct config_secret secret = {.file = (char *)path};
	struct fault fault = {0};

	if (secret_read(&secret, name, out, &fault) == OK)
		return EX_OK;
	return setup_fail(fault.code == ERR_DENIED ? EX_NOPERM : EX_NOINPUT, "%s", fault.text);
}

int setup_ask_secret(const char *prompt, char **out)
{
	struct fault fault = {0};

	if (password_ask(prompt, out, &fault) == OK)
		return EX_OK;
	return setup_fail(fault.code == ERR_CANCELED ? EX_NOINPUT : EX_DATAERR, "%s", fault.text);
}

int setup_get_password(struct setup *setup)
{
	char *prompt;
	int code;

	if (setup->password)
		return EX_OK;
	if (setup->options.password_file)
		return setup_read_secret(
		        setup->options.password_file, "password", &setup->password);
	if (!setup->asks)
		return setup_fail(EX_USAGE, "--password-file is missing (the password of %s)",
		        setup->config->matrix.user);
	prompt = x_asprintf(
	        "Password of %s at %s: ", setup->config->matrix.user, ask_url(setup->ask));
	code = setup_ask_secret(prompt, &setup->password);
	free(prompt);
	return code;
}

void setup_forget_password(struct setup *setup)
{
	x_wipe_free_str(setup->password);
	setup->password = NULL;
}

/* A new password must be entered twice. */
static int setup_get_new_password(struct setup *setup)
{
	char *again = NULL;
	int code = setup_get_password(setup);

	if (code != EX_OK || setup->options.password_file)
		return code;
	assert(setup->password); /* which clang-tidy does not see */
	code = setup_ask_secret("Again: ", &again);
	if (code == EX_OK && strcmp(again, setup->password) != 0)
		code = setup_fail(EX_DATAERR, "the two passwords differ");
	x_wipe_free_str(again);
	return code;
}

/* ---- registering ---- */

/* *wanted: the account is to be registered; *key: with this secret or token, owned by the caller,
 * who wipes it. */
static int setup_wants_registering(
        struct setup *setup, bool *wanted, enum register_by *by, char **key)
{
	const char *secret = setup->options.secret_file, *token = setup->options.token_file;
	struct fault fault = {0};
	char *answer = NULL;
	bool there = true;
	int code;

	*by = secret ? REGISTER_BY_SECRET : REGISTER_BY_TOKEN;
	*wanted = secret || token;
	if (*wanted)
		return setup_read_secret(secret ? secret : token, "registration", key);
	if (!setup->asks || setup->options.password_file)
		return EX_OK;
	if (question_yes("Does this account exist already?", true, &there, &fault) != OK)
		return setup_fail(EX_NOINPUT, "%s", fault.text);
	if (there)
		return EX_OK;
	*wanted = true;
	do {
		free(answer);
		if (question_text("Create it with a registration token, or with Synapse's shared "
		                  "secret? (token or secret)",
		            "token", &answer, &fault) != OK)
			return setup_fail(EX_NOINPUT, "%s", fault.text);
	} while (strcmp(answer, "token") != 0 && strcmp(answer, "secret") != 0);
	*by = strcmp(answer, "secret") == 0 ? REGISTER_BY_SECRET : REGISTER_BY_TOKEN;
	code = setup_ask_secret(
	        *by == REGISTER_BY_SECRET ? "registration_shared_secret: " : "Registration token: ",
	        key);
	free(answer);
	return code;
}

static int setup_register(struct setup *setup, enum register_by by, const char *key)
{
	const char *user = setup->config->matrix.user;
	struct fault fault = {0};
	enum err err;

	question_begin("Creating the account %s", user);
	err = register_account(setup->ask, by, user, setup->password, key, &fault);
	question_end(err == OK ? "done" : err == ERR_EXISTS ? "exists already" : "failed");
	if (err == OK || err == ERR_EXISTS)
		return EX_OK;
	return setup_fail(err == ERR_DENIED ? EX_NOPERM : exit_of(err), "%s%s", fault.text,
	        by == REGISTER_BY_TOKEN && err == ERR_DENIED
	                ? "\nIf the homeserver lets nobody register, its admin can create the "
	                  "account (with "
	                  "Synapse: register_new_matrix_user), or give you Synapse's shared "
	                  "secret; then run "
	                  "setup again."
	                : "");
}

/* ---- the login ---- */

/* Puts the token beside the database. */
static int setup_place_token(struct setup *setup)
{
	char *folder, *file;
	int code;

	folder = x_strdup(setup->config->storage.database);
	file = x_asprintf("%s/token", dirname(folder));
	code = setup_set(setup, "matrix", "token_file", file);
	free(file);
	free(folder);
	return code;
}

/* Whether a new token can be stored, checked before there is one. */
static int setup_check_target(const struct setup *setup)
{
	const struct config_secret *token = &setup->config->matrix.token;
	struct fault fault = {0};

	if (token->command)
		return setup_fail(EX_CONFIG,
		        "[matrix] token_command does not give a valid token, and only you can "
		        "store one there:\nmatrix-telemetry-bot login --print | pass insert -m "
		        "matrix/bot-token\nThen run setup again, or remove token_command from %s",
		        setup->path);
	if (replace_file_may(token->file, &fault) != OK)
		return setup_fail(EX_CANTCREAT, "could not store the token: %s", fault.text);
	return EX_OK;
}

static int setup_log_in(struct setup *setup)
{
	struct login login = {.command = "setup", .config = setup->config, .ask = setup->ask};
	int code;

	login.password = x_strdup(setup->password);
	login_find_device(&login);
	code = login_by_password(&login);
	if (code == EX_OK)
		code = login_store_token(&login);
	if (code == EX_OK) {
		printf("Account %s … logged in, device %s; the token is in %s\n",
		        setup->config->matrix.user, login.device_id,
		        setup->config->matrix.token.file);
		setup->token = x_strdup(login.token);
		setup->device_id = x_strdup(login.device_id);
		setup->fresh_token = true;
		ask_set_token(setup->ask, setup->token);
	}
	login_finish(&login);
	return code;
}

/* Completes "telemetry" to "@telemetry:example.org" if the server name is known; owned by the
 * caller. */
static char *setup_whole_user(const struct setup *setup, const char *user)
{
	const char *server = setup->config->matrix.homeserver;

	if (strchr(user, ':') || strstr(server, "://"))
		return x_strdup(user);
	return x_asprintf("%s%s:%s", user[0] == '@' ? "" : "@", user, server);
}

static int setup_user(struct setup *setup)
{
	const char *now = setup->config->matrix.user;
	bool known = !setup_is_example(now);
	bool named = !strstr(
	        setup->config->matrix.homeserver, "://"); /* else the user id has to name it */
	char *fallback = x_strdup_opt(known ? now : setup->asks && named ? "telemetry" : NULL);
	char *user = NULL, *whole;
	int code;

	do {
		code = setup_pick(setup, setup->options.user, "user",
		        fallback ? "The bot's account"
		                 : "The bot's account, such as @telemetry:example.org",
		        fallback, &user);
		if (code != EX_OK)
			break;
		whole = setup_whole_user(setup, user);
		code = setup_set(setup, "matrix", "user", whole);
		free(whole);
		free(user);
	} while (code != EX_OK && setup->asks && !setup->options.user);
	free(fallback);
	return code;
}

/* After a mistyped password, asks again. */
static int setup_enter_once(struct setup *setup)
{
	enum register_by by;
	bool fresh = false;
	char *key = NULL;
	int code = setup_wants_registering(setup, &fresh, &by, &key), tries = 0;

	if (code != EX_OK)
		return code;
	do {
		setup_forget_password(setup);
		code = fresh ? setup_get_new_password(setup) : setup_get_password(setup);
		if (code == EX_OK && fresh)
			code = setup_register(setup, by, key);
		if (code == EX_OK)
			code = setup_log_in(setup);
	} while (code == EX_DATAERR && setup->asks && !setup->options.password_file &&
	         ++tries < TRIES);
	x_wipe_free_str(key);
	return code;
}

/* After a refused registration, asks whether the account exists, and how to create it, again. */
static int setup_enter(struct setup *setup)
{
	int code, tries = 0;

	do
		code = setup_enter_once(setup);
	while (code == EX_NOPERM && setup->asks && !setup->options.secret_file &&
	        !setup->options.token_file && ++tries < TRIES);
	return code;
}

int setup_account(struct setup *setup)
{
	const struct login flows = {.command = "setup", .ask = setup->ask};
	int code = setup_user(setup);

	if (code == EX_OK)
		credentials_gather(setup->config);
	if (code != EX_OK || setup_has_token(setup, &code) || code != EX_OK)
		return code;
	if (!setup->config->matrix.token.command && !setup->config->matrix.token.file) {
		code = setup_place_token(setup); /* there may be one already */
		if (code != EX_OK || setup_has_token(setup, &code))
			return code;
	}
	if (code == EX_OK)
		code = setup_check_target(setup);
	if (code == EX_OK)
		code = login_check_flows(&flows); /* before asking for a password */
	if (code == EX_UNAVAILABLE)
		setup_fail(code, "put the token into %s (0600), then run setup again",
		        setup->config->matrix.token.file);
	return code == EX_OK ? setup_enter(setup) : code;
}

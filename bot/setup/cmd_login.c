/*
 * cmd_login.c - see cmd_login.h.
 *
 * Where the token goes is settled before the password is asked for, so that no session is made
 * whose token is lost. The device id that the database knows is used again: the daemon goes on
 * with the same device.
 */
#include "bot/setup/cmd_login.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include "bot/setup/ask.h"
#include "bot/base/alloc.h"
#include "bot/base/buf.h"
#include "bot/base/clock.h"
#include "bot/base/exit_code.h"
#include "bot/setup/daemon_user.h"
#include "bot/setup/login_keys.h"
#include "bot/setup/password.h"
#include "bot/setup/token_file.h"
#include "bot/vault/vault_internal.h"
#include "storage/state.h"

#define REPORT_MAX (64 * 1024)

struct login {
	struct config *config;
	struct ask *ask;
	bool json, print, from_stdin;
	char *password, *token;
	char *device_id; /* of the database, then of the answer; NULL = none */
	struct login_keys keys;
};

static int login_tell(int code, const char *text)
{
	fprintf(stderr, "login: %s\n", text);
	return code;
}

static int parse_args(struct login *login, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--print") == 0) {
			login->print = true;
		} else if (strcmp(argv[i], "--password-stdin") == 0) {
			login->from_stdin = true;
		} else {
			fprintf(stderr,
			        "login: unknown argument %s; usage: login [--print] "
			        "[--password-stdin]\n",
			        argv[i]);
			return EX_USAGE;
		}
	}
	return EX_OK;
}

static int load_config(struct login *login, const char *path)
{
	struct buf report;
	enum err err;

	buf_init(&report, REPORT_MAX);
	err = config_load(path, &login->config, &report);
	fputs(buf_str(&report), stderr);
	buf_finish(&report);
	return err == OK ? EX_OK : EX_CONFIG;
}

/* A token that has nowhere to go would be a session that nobody can use. */
static int check_target(const struct login *login)
{
	const char *file = login->config->matrix.token.file;
	struct fault fault = {0};

	if (!login->print && file && token_file_may_write(file, &fault) != OK) {
		fprintf(stderr, "login: the token could not be stored: %s\n", fault.text);
		return EX_CANTCREAT;
	}
	if (login->print || file)
		return EX_OK;
	return login_tell(EX_USAGE,
	        "[matrix] token_file is not set, so the token has nowhere to go. Either set it, or "
	        "store\nthe token yourself:\n\n"
	        "    matrix-telemetry-bot login --print | pass insert -m matrix/bot-token\n\n"
	        "with token_command = pass show matrix/bot-token in the config");
}

/* Whether the database's encryption keys can never be opened again, as far as can be seen here. */
static bool keys_are_lost(const struct login *login, struct store *store)
{
	struct fault fault = {0};
	enum err err = key_check(login->config, store, &fault);

	if (err != ERR_NOT_FOUND && err != ERR_CORRUPT)
		return false;
	fprintf(stderr, "%s.\nThis login makes a new device.\n\n", fault.text);
	return true;
}

/* The device that the daemon's database belongs to, if there is one already. */
static void read_device(struct login *login)
{
	struct store *store;
	char *user = NULL;

	if (store_open_readonly(&store, login->config->storage.database, NULL) != OK)
		return;
	if (state_get(store, "device_id", &login->device_id) == OK &&
	        state_get(store, "user_id", &user) == OK &&
	        strcmp(user, login->config->matrix.user) != 0) {
		free(login->device_id); /* another account's */
		login->device_id = NULL;
	}
	if (login->device_id && keys_are_lost(login, store)) {
		free(login->device_id); /* a device's keys never change: a new one is wanted */
		login->device_id = NULL;
	}
	free(user);
	store_close(store);
}

/* --- the homeserver ------------------------------------------------------------------------- */

static int check_flows(struct login *login)
{
	struct ask_answer answer;
	json_t *flow;
	size_t i;
	int code = EX_UNAVAILABLE;

	ask_call(login->ask, "GET", "/v3/login", NULL, &answer);
	if (answer.code != OK) {
		code = exit_of(answer.code);
		fprintf(stderr, "login: %s: %s\n", ask_url(login->ask), answer.error);
		ask_answer_finish(&answer);
		return code;
	}
	json_array_foreach(json_object_get(answer.body, "flows"), i, flow)
	{
		const char *type = json_string_value(json_object_get(flow, "type"));

		if (type && strcmp(type, "m.login.password") == 0)
			code = EX_OK;
	}
	ask_answer_finish(&answer);
	if (code == EX_OK)
		return code;
	return login_tell(code,
	        "this homeserver has no login by password. Get a token in the way it has: with "
	        "Matrix\nAuthentication Service,\n\n"
	        "    mas-cli manage issue-compatibility-token NAME [DEVICE]\n\n"
	        "else from the homeserver's admin API or its administrator; then store it in "
	        "token_file "
	        "or\nwhere token_command finds it");
}

static enum err get_password(struct login *login, struct fault *fault)
{
	struct buf prompt;
	enum err err;

	if (login->from_stdin)
		return password_read(&login->password, fault);
	buf_init(&prompt, 1024);
	buf_printf(
	        &prompt, "Password of %s at %s: ", login->config->matrix.user, ask_url(login->ask));
	err = password_ask(buf_str(&prompt), &login->password, fault);
	buf_finish(&prompt);
	if (err == ERR_UNSUPPORTED)
		fault_set(fault, err,
		        "standard input is no terminal; with --password-stdin its first line is "
		        "the "
		        "password");
	return err;
}

/* The request; jansson's copy of the password is wiped with ours by wipe_string(). */
static json_t *make_body(const struct login *login)
{
	json_t *body = json_pack("{s:s, s:{s:s, s:s}, s:s, s:s, s:b}", "type", "m.login.password",
	        "identifier", "type", "m.id.user", "user", login->config->matrix.user, "password",
	        login->password, "initial_device_display_name", login->config->matrix.device_name,
	        "refresh_token", 0);

	if (body && login->device_id)
		json_object_set_new(body, "device_id", json_string(login->device_id));
	return body;
}

static void wipe_string(json_t *object, const char *key)
{
	const json_t *string = json_object_get(object, key);

	if (json_is_string(string))
		explicit_bzero((char *)json_string_value(string), json_string_length(string));
}

static int login_explain(const struct login *login, const struct ask_answer *answer)
{
	char wait[32];

	if (answer->code == ERR_DENIED && strcmp(answer->errcode, "M_USER_DEACTIVATED") != 0)
		return login_tell(EX_DATAERR, "wrong user or password");
	if (answer->code == ERR_LIMITED && answer->retry_after_ms >= 0) {
		clock_format_duration(answer->retry_after_ms, wait, sizeof(wait));
		fprintf(stderr, "login: too many tries; again in %s\n", wait);
		return EX_TEMPFAIL;
	}
	fprintf(stderr, "login: %s: %s\n", ask_url(login->ask), answer->error);
	return answer->code == ERR_DENIED ? EX_DATAERR : exit_of(answer->code);
}

/* The session is not wanted: ends it, as well as it goes. */
static void log_out(struct login *login)
{
	struct ask_answer answer;

	if (ask_set_token(login->ask, login->token) != OK)
		return;
	ask_call(login->ask, "POST", "/v3/logout", NULL, &answer);
	ask_answer_finish(&answer);
	ask_set_token(login->ask, NULL);
}

static int take_answer(struct login *login, const struct ask_answer *answer)
{
	const char *token = json_string_value(json_object_get(answer->body, "access_token"));
	const char *user = json_string_value(json_object_get(answer->body, "user_id"));
	const char *device = json_string_value(json_object_get(answer->body, "device_id"));

	if (!token || !user || !device)
		return login_tell(
		        EX_TEMPFAIL, "the homeserver's answer has no token, user and device");
	login->token = x_strdup(token);
	if (strcmp(user, login->config->matrix.user) != 0) {
		fprintf(stderr,
		        "login: the homeserver calls this account %s: correct [matrix] user\n",
		        user);
		log_out(login);
		return EX_CONFIG;
	}
	free(login->device_id);
	login->device_id = x_strdup(device);
	return EX_OK;
}

static int post_login(struct login *login)
{
	struct ask_answer answer;
	json_t *body = make_body(login);
	int code;

	if (!body)
		return login_tell(EX_DATAERR, "the password is no text in UTF-8");
	ask_call(login->ask, "POST", "/v3/login", body, &answer);
	wipe_string(body, "password");
	json_decref(body);
	code = answer.code == OK ? take_answer(login, &answer) : login_explain(login, &answer);
	if (answer.body)
		wipe_string(answer.body, "access_token");
	ask_answer_finish(&answer);
	return code;
}

/* --- the token ------------------------------------------------------------------------------ */

static void login_print_json(const struct login *login, const char *file)
{
	json_t *object =
	        json_pack("{s:b, s:s, s:s, s:s}", "ok", 1, "user_id", login->config->matrix.user,
	                "device_id", login->device_id, "homeserver", ask_url(login->ask));

	if (file)
		json_object_set_new(object, "token_file", json_string(file));
	else
		json_object_set_new(object, "access_token", json_string(login->token));
	if (login->keys.recovery_key)
		json_object_set_new(object, "recovery_key", json_string(login->keys.recovery_key));
	if (login->keys.note)
		json_object_set_new(object, "note", json_string(login->keys.note));
	json_dumpf(object, stdout, JSON_COMPACT);
	printf("\n");
	wipe_string(object, "access_token");
	wipe_string(object, "recovery_key");
	json_decref(object);
}

static int store_token(struct login *login)
{
	struct fault fault = {0};

	struct daemon_user user;
	const char *file = login->config->matrix.token.file;

	daemon_user_find(&user, login->config);
	if (!login->print && (token_file_write(file, login->token, &fault) != OK ||
	                             daemon_user_give(&user, file, &fault) != OK)) {
		fprintf(stderr, "login: the token cannot be stored: %s\n", fault.text);
		log_out(login);
		return EX_CONFIG;
	}
	return EX_OK;
}

static void make_keys(struct login *login)
{
	struct daemon_user user;
	struct fault fault = {0};

	daemon_user_find(&user, login->config);
	if (ask_set_token(login->ask, login->token) != OK)
		return;
	/* the database that this makes is the daemon's */
	if (daemon_user_become(&user, &fault) != OK) {
		login->keys.note = x_strdup(fault.text);
		return;
	}
	login_keys_make(login->ask, login->config, login->device_id, login->password, &login->keys);
	ask_set_token(login->ask, NULL);
}

static void tell_keys(const struct login_keys *keys)
{
	if (keys->recovery_key)
		fprintf(stderr,
		        "\nThe account's recovery key, shown this once; keep it where the password "
		        "is:\n\n    %s\n\n",
		        keys->recovery_key);
	if (keys->note)
		fprintf(stderr, "Encrypted rooms: %s.\n", keys->note);
}

static int tell_result(struct login *login)
{
	const char *file = login->config->matrix.token.file;

	if (login->json)
		login_print_json(login, login->print ? NULL : file);
	else if (login->print)
		printf("%s\n", login->token);
	if (fflush(stdout) != 0) {
		log_out(login);
		return login_tell(EX_IOERR, "the token cannot be printed");
	}
	if (!login->json)
		fprintf(stderr, "Logged in as %s, device %s.%s%s\n", login->config->matrix.user,
		        login->device_id, login->print ? "" : " The token is in ",
		        login->print ? "" : file);
	if (!login->json)
		tell_keys(&login->keys);
	return EX_OK;
}

static int login_run(struct login *login)
{
	struct fault fault = {0};
	int code;

	if (ask_open(&login->ask, login->config, &fault) != OK)
		return login_tell(exit_of(fault.code), fault.text);
	code = check_flows(login);
	if (code != EX_OK)
		return code;
	if (get_password(login, &fault) != OK)
		return login_tell(
		        fault.code == ERR_UNSUPPORTED ? EX_USAGE : EX_DATAERR, fault.text);
	read_device(login);
	code = post_login(login);
	if (code == EX_OK)
		code = store_token(login);
	if (code != EX_OK)
		return code;
	make_keys(login);
	return tell_result(login);
}

int cmd_login(const char *config_path, bool json, int argc, char **argv)
{
	struct login login = {.json = json};
	int code = parse_args(&login, argc, argv);

	if (code == EX_OK)
		code = load_config(&login, config_path);
	if (code == EX_OK)
		code = check_target(&login);
	if (code == EX_OK)
		code = login_run(&login);
	ask_close(login.ask);
	config_unref(login.config);
	x_wipe_free_str(login.password);
	x_wipe_free_str(login.token);
	x_wipe_free_str(login.keys.recovery_key);
	free(login.keys.note);
	free(login.device_id);
	return code;
}

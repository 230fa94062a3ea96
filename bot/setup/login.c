/*
 * login.c - see login.h. The device id stored in the database is used again, so that the daemon
 * keeps its device.
 */
#include "bot/setup/login.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/exit_code.h"
#include "bot/setup/daemon_user.h"
#include "bot/setup/password.h"
#include "bot/setup/replace_file.h"
#include "bot/vault/vault_internal.h"
#include "storage/state.h"

int login_fail(const struct login *login, int code, const char *text)
{
	fprintf(stderr, "%s: %s\n", login->command, text);
	return code;
}

void login_finish(struct login *login)
{
	x_wipe_free_str(login->password);
	x_wipe_free_str(login->token);
	x_wipe_free_str(login->keys.recovery_key);
	free(login->keys.note);
	free(login->device_id);
}

/* --- the device ----------------------------------------------------------------------------- */

/* Whether the encryption keys in the database can never be decrypted again, as far as can be
 * checked. */
static bool keys_are_lost(const struct login *login, struct store *store)
{
	struct fault fault = {0};
	enum err err = key_check(login->config, store, &fault);

	if (err != ERR_NOT_FOUND && err != ERR_CORRUPT)
		return false;
	fprintf(stderr, "%s.\nThis login creates a new device.\n\n", fault.text);
	return true;
}

/* The device that the daemon's database belongs to, if any. */
void login_find_device(struct login *login)
{
	struct store *store;
	char *user = NULL;

	if (store_open_readonly(&store, login->config->storage.database, NULL) != OK)
		return;
	if (state_get(store, "device_id", &login->device_id) == OK &&
	        state_get(store, "user_id", &user) == OK &&
	        strcmp(user, login->config->matrix.user) != 0) {
		free(login->device_id); /* of another account */
		login->device_id = NULL;
	}
	if (login->device_id && keys_are_lost(login, store)) {
		free(login->device_id); /* its keys cannot change: a new device is needed */
		login->device_id = NULL;
	}
	free(user);
	store_close(store);
}

/* --- the homeserver ------------------------------------------------------------------------- */

int login_check_flows(const struct login *login)
{
	struct ask_answer answer;
	json_t *flow;
	size_t i;
	int code = EX_UNAVAILABLE;

	ask_call(login->ask, "GET", "/v3/login", NULL, &answer);
	if (answer.code != OK) {
		code = exit_of(answer.code);
		fprintf(stderr, "%s: %s: %s\n", login->command, ask_url(login->ask), answer.error);
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
	return login_fail(login, code,
	        "this homeserver offers no login by password. Get a token in the way it offers: "
	        "with "
	        "Matrix\nAuthentication Service,\n\n"
	        "    mas-cli manage issue-compatibility-token NAME [DEVICE]\n\n"
	        "or from the homeserver's admin API or its admin. Then store it in token_file, "
	        "or\nwhere token_command finds it");
}

enum err login_ask_password(struct login *login, struct fault *fault)
{
	char *prompt = x_asprintf(
	        "Password of %s at %s: ", login->config->matrix.user, ask_url(login->ask));
	enum err err = password_ask(prompt, &login->password, fault);

	free(prompt);
	return err;
}

/* The request; login_wipe_member() wipes jansson's copy of the password. */
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

void login_wipe_member(json_t *object, const char *key)
{
	const json_t *string = json_object_get(object, key);

	if (json_is_string(string))
		explicit_bzero((char *)json_string_value(string), json_string_length(string));
}

static int login_explain(const struct login *login, const struct ask_answer *answer)
{
	char wait[32];

	if (answer->code == ERR_DENIED && strcmp(answer->errcode, "M_USER_DEACTIVATED") != 0)
		return login_fail(login, EX_DATAERR, "wrong user or password");
	if (answer->code == ERR_LIMITED && answer->retry_after_ms >= 0) {
		clock_format_duration(answer->retry_after_ms, wait, sizeof(wait));
		fprintf(stderr, "%s: too many attempts; try again in %s\n", login->command, wait);
		return EX_TEMPFAIL;
	}
	fprintf(stderr, "%s: %s: %s\n", login->command, ask_url(login->ask), answer->error);
	return answer->code == ERR_DENIED ? EX_DATAERR : exit_of(answer->code);
}

/* Logs an unwanted session out; failures are ignored. */
void login_log_out(struct login *login)
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
		return login_fail(login, EX_TEMPFAIL,
		        "the homeserver's answer lacks the token, the user or the device");
	login->token = x_strdup(token);
	if (strcmp(user, login->config->matrix.user) != 0) {
		fprintf(stderr, "%s: the homeserver calls this account %s: correct [matrix] user\n",
		        login->command, user);
		login_log_out(login);
		return EX_CONFIG;
	}
	free(login->device_id);
	login->device_id = x_strdup(device);
	return EX_OK;
}

int login_by_password(struct login *login)
{
	struct ask_answer answer;
	json_t *body = make_body(login);
	int code;

	if (!body)
		return login_fail(login, EX_DATAERR, "the password is not UTF-8 text");
	ask_call(login->ask, "POST", "/v3/login", body, &answer);
	login_wipe_member(body, "password");
	json_decref(body);
	code = answer.code == OK ? take_answer(login, &answer) : login_explain(login, &answer);
	if (answer.body)
		login_wipe_member(answer.body, "access_token");
	ask_answer_finish(&answer);
	return code;
}

/* --- the token ------------------------------------------------------------------------------ */

int login_store_token(struct login *login)
{
	const char *file = login->config->matrix.token.file;
	char *line = x_asprintf("%s\n", login->token);
	struct daemon_user user;
	struct fault fault = {0};
	enum err err;

	daemon_user_find(&user, login->config);
	err = replace_file(file, line, NULL, &fault);
	x_wipe_free_str(line);
	if (err != OK || daemon_user_give(&user, file, &fault) != OK) {
		fprintf(stderr, "%s: cannot store the token: %s\n", login->command, fault.text);
		login_log_out(login);
		return EX_CONFIG;
	}
	return EX_OK;
}

void login_make_keys(struct login *login)
{
	struct daemon_user user;
	struct fault fault = {0};

	daemon_user_find(&user, login->config);
	if (ask_set_token(login->ask, login->token) != OK)
		return;
	/* the database created below must belong to the daemon's user */
	if (daemon_user_become(&user, &fault) != OK) {
		login->keys.note = x_strdup(fault.text);
		return;
	}
	login_keys_make(login->ask, login->config, login->device_id, login->password, &login->wish,
	        &login->keys);
	ask_set_token(login->ask, NULL);
}

void login_tell_keys(const struct login_keys *keys)
{
	if (keys->recovery_key)
		fprintf(stderr,
		        "\nThe account's recovery key. It is shown only once; keep it where the "
		        "password is:\n\n    %s\n\n",
		        keys->recovery_key);
	if (keys->note)
		fprintf(stderr, "Encrypted rooms: %s.\n", keys->note);
}

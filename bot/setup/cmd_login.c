/*
 * cmd_login.c - see cmd_login.h.
 *
 * Whether the token can be stored is checked before asking for the password, so that no session is
 * created whose token is lost.
 */
#include "bot/setup/cmd_login.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include "bot/base/buf.h"
#include "bot/base/exit_code.h"
#include "bot/setup/credentials.h"
#include "bot/setup/login.h"
#include "bot/setup/password.h"
#include "bot/setup/replace_file.h"

#define REPORT_MAX (64 * 1024)

struct cmd_login {
	struct login login;
	struct config *config;
	bool json, print, from_stdin;
};

static int parse_args(struct cmd_login *cmd, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--print") == 0) {
			cmd->print = true;
		} else if (strcmp(argv[i], "--password-stdin") == 0) {
			cmd->from_stdin = true;
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

static int load_config(struct cmd_login *cmd, const char *path)
{
	struct buf report;
	enum err err;

	buf_init(&report, REPORT_MAX);
	err = config_load(path, &cmd->config, &report);
	cmd->login.config = cmd->config;
	fputs(buf_str(&report), stderr);
	buf_finish(&report);
	return err == OK ? EX_OK : EX_CONFIG;
}

/* Without a place for the token, the new session could not be used by anybody. */
static int check_target(const struct cmd_login *cmd)
{
	const char *file = cmd->config->matrix.token.file;
	struct fault fault = {0};

	if (!cmd->print && file && replace_file_may(file, &fault) != OK) {
		fprintf(stderr, "login: could not store the token: %s\n", fault.text);
		return EX_CANTCREAT;
	}
	if (cmd->print || file)
		return EX_OK;
	return login_fail(&cmd->login, EX_USAGE,
	        "[matrix] token_file is not set, so there is nowhere to put the token. Set it, or "
	        "store\nthe token yourself:\n\n"
	        "    matrix-telemetry-bot login --print | pass insert -m matrix/bot-token\n\n"
	        "and set token_command = pass show matrix/bot-token in the config");
}

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
	login_wipe_member(object, "access_token");
	login_wipe_member(object, "recovery_key");
	json_decref(object);
}

static int tell_result(struct cmd_login *cmd)
{
	struct login *login = &cmd->login;
	const char *file = cmd->config->matrix.token.file;

	if (cmd->json)
		login_print_json(login, cmd->print ? NULL : file);
	else if (cmd->print)
		printf("%s\n", login->token);
	if (fflush(stdout) != 0) {
		login_log_out(login);
		return login_fail(login, EX_IOERR, "cannot print the token");
	}
	if (!cmd->json)
		fprintf(stderr, "Logged in as %s, device %s.%s%s\n", login->config->matrix.user,
		        login->device_id, cmd->print ? "" : " The token is in ",
		        cmd->print ? "" : file);
	if (!cmd->json)
		login_tell_keys(&login->keys);
	return EX_OK;
}

static enum err get_password(struct cmd_login *cmd, struct fault *fault)
{
	enum err err;

	if (cmd->from_stdin)
		return password_read(&cmd->login.password, fault);
	err = login_ask_password(&cmd->login, fault);
	if (err == ERR_UNSUPPORTED)
		fault_set(fault, err,
		        "standard input is not a terminal; --password-stdin reads the password "
		        "from its first line");
	return err;
}

static int login_run(struct cmd_login *cmd)
{
	struct login *login = &cmd->login;
	struct fault fault = {0};
	int code;

	credentials_gather(cmd->config);
	if (ask_open(&login->ask, cmd->config, &fault) != OK)
		return login_fail(login, exit_of(fault.code), fault.text);
	code = login_check_flows(login);
	if (code != EX_OK)
		return code;
	if (get_password(cmd, &fault) != OK)
		return login_fail(
		        login, fault.code == ERR_UNSUPPORTED ? EX_USAGE : EX_DATAERR, fault.text);
	login_find_device(login);
	code = login_by_password(login);
	if (code == EX_OK && !cmd->print)
		code = login_store_token(login);
	if (code != EX_OK)
		return code;
	login_make_keys(login);
	return tell_result(cmd);
}

int cmd_login(const char *config_path, bool json, int argc, char **argv)
{
	struct cmd_login cmd = {.login.command = "login", .json = json};
	int code = parse_args(&cmd, argc, argv);

	if (code == EX_OK)
		code = load_config(&cmd, config_path);
	if (code == EX_OK)
		code = check_target(&cmd);
	if (code == EX_OK)
		code = login_run(&cmd);
	ask_close(cmd.login.ask);
	login_finish(&cmd.login);
	credentials_forget();
	config_unref(cmd.config);
	return code;
}

/*
 * setup_options.c - see setup_options.h. Secrets are read from files, not from the command line,
 * which other users can see.
 */
#include "bot/setup/setup_options.h"

#include <assert.h>
#include <string.h>
#include "bot/base/clock.h"
#include "bot/client/client_options.h"

#define WAIT_MS (10 * CLOCK_MINUTE_MS)

enum row {
	ROW_CONFIG,
	ROW_HOMESERVER,
	ROW_USER,
	ROW_PASSWORD_FILE,
	ROW_SECRET_FILE,
	ROW_TOKEN_FILE,
	ROW_RECOVERY_FILE,
	ROW_RESET_IDENTITY,
	ROW_OPERATOR,
	ROW_ROOM,
	ROW_ENCRYPTED,
	ROW_DASHBOARD,
	ROW_NO_TEST,
	ROW_WAIT,
	ROW_YES,
	ROW_HELP,
};

static const struct option_row rows[] = {
        [ROW_CONFIG] = {"config", 'c', "FILE",
                "the config to write (default: $MATRIX_TELEMETRY_BOT_CONFIG,\n"
                "./bot.conf, /etc/matrix-telemetry-bot/bot.conf)"},
        [ROW_HOMESERVER] = {"homeserver", 0, "NAME", "server name, or its URL"},
        [ROW_USER] = {"user", 0, "USER", "the bot's account: @telemetry:example.org, or telemetry"},
        [ROW_PASSWORD_FILE] = {"password-file", 0, "FILE",
                "its password, on the first line; needed as long as\n"
                "there is no valid token"},
        [ROW_SECRET_FILE] = {"registration-secret-file", 0, "FILE",
                "create the account with Synapse's\n"
                "registration_shared_secret"},
        [ROW_TOKEN_FILE] = {"registration-token-file", 0, "FILE",
                "create the account with a registration token"},
        [ROW_RECOVERY_FILE] = {"recovery-key-file", 0, "FILE",
                "if the account has cross-signing keys already: its\n"
                "recovery key or passphrase, which signs this device"},
        [ROW_RESET_IDENTITY] = {"reset-identity", 0, NULL,
                "or replace these keys for good, with the password:\n"
                "everybody who verified the account is warned, and its\n"
                "other devices are no longer signed"},
        [ROW_OPERATOR] = {"operator", 0, "USER",
                "who may use commands, and is invited into the rooms\n"
                "that it creates; may be repeated"},
        [ROW_ROOM] = {"room", 0, "NAME=ADDRESS",
                "a room, such as ops=#ops:example.org: joined, or created\n"
                "if there is none; ops gets critical alerts, dev the\n"
                "others; may be repeated"},
        [ROW_ENCRYPTED] = {"encrypted", 0, NULL, "create encrypted rooms"},
        [ROW_DASHBOARD] = {"dashboard", 0, "APP=URL",
                "link in an app's messages, with {run_id} in it;\n"
                "may be repeated"},
        [ROW_NO_TEST] = {"no-test", 0, NULL, "do not send a test message at the end"},
        [ROW_WAIT] = {"wait", 0, "TIME",
                "how long to wait until somebody acknowledges it\n"
                "(default: 10m)"},
        [ROW_YES] = {"yes", 'y', NULL,
                "ask nothing: what no option sets stays as it is, or\n"
                "takes its default"},
        [ROW_HELP] = {"help", 'h', NULL, "this text"},
        {0},
};

static enum err setup_options_add(
        struct setup_list *list, const char *value, bool pair, struct fault *fault)
{
	const char *equals;

	assert(value); /* these options have an argument */
	equals = strchr(value, '=');
	if (list->len == SETUP_LIST_MAX)
		return fault_set(fault, ERR_INVALID,
		        "more than %d values; the first one too many: %.100s", SETUP_LIST_MAX,
		        value);
	if (pair && (!equals || equals == value))
		return fault_set(fault, ERR_INVALID, "must be NAME=VALUE: %.100s", value);
	list->items[list->len++] = value;
	return OK;
}

static enum err setup_options_take(
        struct setup_options *options, enum row row, const char *value, struct fault *fault)
{
	/* each becomes a value of the config, which must be a single line */
	if (value && strpbrk(value, "\r\n"))
		return fault_set(fault, ERR_INVALID, "--%s: a line break", rows[row].name);
	switch (row) {
	case ROW_CONFIG:
		options->config = value;
		break;
	case ROW_HOMESERVER:
		options->homeserver = value;
		break;
	case ROW_USER:
		options->user = value;
		break;
	case ROW_PASSWORD_FILE:
		options->password_file = value;
		break;
	case ROW_SECRET_FILE:
		options->secret_file = value;
		break;
	case ROW_TOKEN_FILE:
		options->token_file = value;
		break;
	case ROW_RECOVERY_FILE:
		options->recovery_file = value;
		break;
	case ROW_RESET_IDENTITY:
		options->reset_identity = true;
		break;
	case ROW_OPERATOR:
		return setup_options_add(&options->operators, value, false, fault);
	case ROW_ROOM:
		return setup_options_add(&options->rooms, value, true, fault);
	case ROW_DASHBOARD:
		return setup_options_add(&options->dashboards, value, true, fault);
	case ROW_ENCRYPTED:
		options->encrypted = true;
		break;
	case ROW_NO_TEST:
		options->no_test = true;
		break;
	case ROW_WAIT:
		if (!clock_parse_duration(value, &options->wait_ms))
			return fault_set(fault, ERR_INVALID, "--wait needs a duration such as 10m");
		break;
	case ROW_YES:
		options->yes = true;
		break;
	case ROW_HELP:
		options->help = true;
		break;
	}
	return OK;
}

enum err setup_options_parse(
        struct setup_options *options, int argc, char **argv, struct fault *fault)
{
	const char *config = options->config;
	struct options parser;
	enum err err = OK;
	int row;

	*options = (struct setup_options){.config = config, .wait_ms = WAIT_MS};
	options_init(&parser, rows, argc, argv);
	while (err == OK && (row = options_next(&parser)) != OPTIONS_END)
		if (row == OPTIONS_BAD)
			err = fault_set(fault, ERR_INVALID, "%s", parser.message);
		else if (row == OPTIONS_OPERAND)
			err = fault_set(
			        fault, ERR_INVALID, "unknown argument %.100s", parser.value);
		else
			err = setup_options_take(options, (enum row)row, parser.value, fault);
	if (err == OK && options->secret_file && options->token_file)
		err = fault_set(fault, ERR_INVALID,
		        "either --registration-secret-file or --registration-token-file");
	if (err == OK && options->recovery_file && options->reset_identity)
		err = fault_set(
		        fault, ERR_INVALID, "either --recovery-key-file or --reset-identity");
	return err;
}

void setup_options_help(FILE *out)
{
	fprintf(out,
	        "usage: matrix-telemetry-bot setup [OPTIONS]\n\n"
	        "Sets the bot up, or shows its settings and changes those you name: homeserver,\n"
	        "account, keys, rooms, who may use commands, dashboards; writes the config, starts "
	        "the\n"
	        "units, checks everything and sends a test message. What no option sets is asked "
	        "for\non the terminal.\n\n");
	options_help(rows, out);
}

/*
 * main.c - the command line of matrix-telemetry-bot: finds the command and runs it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <uv.h>
#include "bot/base/alloc.h"
#include "bot/base/buf.h"
#include "bot/client/client_options.h"
#include "bot/daemon.h"
#include "bot/command_line/command_line.h"
#include "bot/convert/cmd_convert.h"
#include "bot/setup/cmd_check.h"
#include "bot/setup/cmd_login.h"
#include "bot/setup/cmd_setup.h"
#include "bot/config/config.h"
#include "bot/watcher.h"
#include "handlers/commands/table.h"
#include "bot/version.h"
#include "storage/store.h"

#define USAGE_MAX 512

enum {
	ROW_CONFIG,
	ROW_JSON,
	ROW_QUIET,
	ROW_CHECK,
	ROW_CHECK_CONFIG,
	ROW_ALERTMANAGER,
	ROW_NEW_DEVICE,
	ROW_PRINT,
	ROW_PASSWORD_STDIN,
	ROW_HELP,
	ROW_VERSION
};

static const struct option_row rows[] = {
        [ROW_CONFIG] = {"config", 'c', "FILE",
                "default: $MATRIX_TELEMETRY_BOT_CONFIG, ./bot.conf,\n"
                "/etc/matrix-telemetry-bot/bot.conf"},
        [ROW_JSON] = {"json", 0, NULL, "answers as JSON"},
        [ROW_QUIET] = {"quiet", 'q', NULL, "for cron: print nothing unless something is wrong"},
        [ROW_CHECK] = {"check", 0, NULL,
                "of status and watch: a line for Nagios, and its exit codes"},
        [ROW_CHECK_CONFIG] = {"check-config", 0, NULL, "of watch: ask whether its config is good"},
        [ROW_ALERTMANAGER] = {"alertmanager", 0, "FILE",
                "of check: print the bot.conf that corresponds to an alertmanager.yml"},
        [ROW_NEW_DEVICE] = {"accept-new-device", 0, NULL,
                "of run and watch: the token may belong to another\n"
                "Matrix device than before"},
        [ROW_PRINT] = {"print", 0, NULL, "of login: print the token, store it nowhere"},
        [ROW_PASSWORD_STDIN] = {"password-stdin", 0, NULL,
                "of login: the password is the first line of standard input"},
        [ROW_HELP] = {"help", 'h', NULL, "this help, or that of one command"},
        [ROW_VERSION] = {"version", 'V', NULL, "the version, its build and the database's schema"},
        {0},
};

struct args {
	const char *config;       /* NULL = search the usual places */
	const char *alertmanager; /* a file, or NULL */
	bool json, quiet, check, check_config, new_device, help, version;
	int argc; /* the command's name and what follows it */
	char **argv;
};

static int verb_run(const struct args *args)
{
	struct daemon_options options = {
	        .config_path = config_find(args->config), .new_device = args->new_device};

	return daemon_run(&options);
}

static int verb_watch(const struct args *args)
{
	struct watcher_options options = {
	        .config_path = config_find(args->config), .new_device = args->new_device};

	if (args->check_config)
		return watcher_check_config(options.config_path);
	return args->check ? watcher_check(options.config_path, args->json) : watcher_run(&options);
}

static int verb_check(const struct args *args)
{
	if (args->alertmanager)
		return cmd_convert(args->alertmanager);
	return cmd_check(config_find(args->config), args->json);
}

static int verb_login(const struct args *args)
{
	return cmd_login(config_find(args->config), args->json, args->argc, args->argv);
}

static int verb_setup(const struct args *args)
{
	return cmd_setup(args->config, args->argc, args->argv);
}

/* A command that needs no daemon, and what it accepts on the command line. */
static const struct verb {
	const char *name;
	int (*run)(const struct args *args);
	bool check, new_device;
	bool arguments; /* it parses its own arguments */
	bool options;   /* and its own options: all that follows its name */
} verbs[] = {
        {"check", verb_check},
        {"login", verb_login, .arguments = true},
        {"run", verb_run, .new_device = true},
        {"setup", verb_setup, .arguments = true, .options = true},
        {"watch", verb_watch, .check = true, .new_device = true},
};

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

static bool has_own_options(const char *name)
{
	const struct verb *verb = find_verb(name);

	return verb && verb->options;
}

static void print_usage(FILE *out, const struct command *command, const char *before)
{
	struct buf usage;

	buf_init(&usage, USAGE_MAX);
	command_add_usage(command, &usage);
	fprintf(out, "%s%s\n", before, buf_str(&usage));
	buf_finish(&usage);
}

static void main_help(FILE *out)
{
	const struct command *command;

	fprintf(out, "usage: matrix-telemetry-bot [OPTIONS] COMMAND [ARGUMENTS]\n\n");
	for (size_t i = 0; (command = command_at(i)); i++) {
		bool bare = !command->usage && !command->members[0].name;

		if (!(command->where & COMMAND_LINE))
			continue;
		fprintf(out, "  %-10s %.*s%s", command->name, (int)strcspn(command->help, "\n"),
		        command->help, bare ? "\n" : ":\n");
		if (!bare)
			print_usage(out, command, "             ");
	}
	fputc('\n', out);
	options_help(rows, out);
	fprintf(out, "\nExit codes: 0 ok, 64 usage, 65 bad data, 69 no daemon, 73 cannot create a "
	             "file,\n"
	             "75 try again, 77 not permitted, 78 bad config; of --check: 0 ok, 1 "
	             "warning,\n"
	             "2 critical, 3 unknown. See matrix-telemetry-bot(1), bot.conf(5).\n");
}

static void main_help_one(const struct command *command)
{
	print_usage(stdout, command, "usage: matrix-telemetry-bot ");
	printf("\n%s\n", command->help);
	if (command->example)
		printf("Example: matrix-telemetry-bot %s\n", command->example);
}

/* Options may be anywhere before "--", which is kept, since it marks free text. */
static bool args_parse(struct args *args, int argc, char **argv)
{
	struct options options;
	bool dash = false, good = true;
	int row;

	*args = (struct args){.argv = x_calloc((size_t)argc + 1, sizeof(*argv))};
	options_init(&options, rows, argc, argv);
	while ((row = options_next(&options)) != OPTIONS_END) {
		if (options.operands_only && !dash && args->argc > 0) {
			dash = true;
			args->argv[args->argc++] = (char *)"--";
		}
		if (row == OPTIONS_OPERAND && args->argc == 0 && has_own_options(options.value)) {
			while (options.rest[args->argc]) {
				args->argv[args->argc] = options.rest[args->argc];
				args->argc++;
			}
			break;
		}
		if (row == OPTIONS_OPERAND)
			args->argv[args->argc++] = (char *)options.value;
		else if (row == ROW_CONFIG)
			args->config = options.value;
		else if (row == ROW_ALERTMANAGER)
			args->alertmanager = options.value;
		else if (row == OPTIONS_BAD)
			fprintf(stderr, "%s; --help lists them\n", options.message);
		else if (row == ROW_PRINT) /* login parses its own options */
			args->argv[args->argc++] = (char *)"--print";
		else if (row == ROW_PASSWORD_STDIN)
			args->argv[args->argc++] = (char *)"--password-stdin";
		args->json |= row == ROW_JSON;
		args->quiet |= row == ROW_QUIET;
		args->check |= row == ROW_CHECK;
		args->check_config |= row == ROW_CHECK_CONFIG;
		args->new_device |= row == ROW_NEW_DEVICE;
		args->help |= row == ROW_HELP;
		args->version |= row == ROW_VERSION;
		good &= row != OPTIONS_BAD;
	}
	return good;
}

static int unknown_command(const char *name, bool json)
{
	const struct command *near = command_nearest(name, COMMAND_LINE);

	if (near)
		return client_fail(
		        EX_USAGE, json, "unknown command %s; did you mean %s?", name, near->name);
	return client_fail(EX_USAGE, json, "unknown command %s; --help lists them", name);
}

/* The arguments as a JSON array; NULL: one is not UTF-8. */
static json_t *words_of(const struct args *args)
{
	json_t *words = json_array();

	for (int i = 1; i < args->argc; i++)
		if (json_array_append_new(words, json_string(args->argv[i])) != 0) {
			json_decref(words);
			return NULL;
		}
	return words;
}

static int ask_daemon(const struct command *command, const struct args *args)
{
	json_t *words = words_of(args);
	const struct command_line line = {.config = config_find(args->config),
	        .json = args->json,
	        .quiet = args->quiet,
	        .check = args->check,
	        .words = words};
	int status = client_command(command, &line);

	json_decref(words);
	return status;
}

static int main_run(const struct args *args)
{
	const char *name = args->argv[0];
	const struct command *command = command_find(name, COMMAND_LINE);
	const struct verb *verb = find_verb(name);
	bool checks = verb ? verb->check : strcmp(name, "status") == 0;
	bool plugin = args->check && checks; /* 3: unknown, to Nagios */

	if (!command)
		return unknown_command(name, args->json);
	if (args->help) {
		main_help_one(command);
		return EX_OK;
	}
	if ((args->check && !checks) || (args->check_config && !(verb && verb->check)) ||
	        (args->alertmanager && strcmp(name, "check") != 0) ||
	        (args->new_device && (!(verb && verb->new_device) || plugin)) ||
	        (verb && !verb->arguments && args->argc > 1)) {
		client_fail(EX_USAGE, args->json, "%s: unknown argument", name);
		return plugin ? 3 : EX_USAGE;
	}
	return verb ? verb->run(args) : ask_daemon(command, args);
}

int main(int argc, char **argv)
{
	struct args args;
	int status;

	x_alloc_init();
	if (!args_parse(&args, argc, argv)) {
		status = args.check ? 3 : EX_USAGE; /* 3: unknown, to Nagios */
	} else {
		status = EX_OK;
		if (args.version)
			printf("matrix-telemetry-bot %s (%s, schema %d)\n", BOT_VERSION, BOT_BUILD,
			        store_schema());
		else if (args.argc > 0)
			status = main_run(&args);
		else
			main_help(args.help ? stdout : stderr);
		if (args.argc == 0 && !args.version && !args.help)
			status = EX_USAGE;
	}
	free(args.argv);
	uv_library_shutdown(); /* ends the pool before OpenSSL, which keeps data for each thread */
	return status;
}

/*
 * main.c - the command line of matrix-telemetry-bot: finds the verb and hands over.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include "bot/base/alloc.h"
#include "bot/base/text.h"
#include "bot/daemon.h"
#include "bot/client/command_line.h"
#include "bot/setup/cmd_check.h"
#include "bot/setup/cmd_login.h"
#include "bot/config/config.h"
#include "bot/watcher.h"

struct args {
	const char *config; /* NULL = look for it */
	bool json, help, version;
	int argc; /* the verb and what follows it */
	char **argv;
};

static int verb_run(const struct args *args)
{
	struct daemon_options options = {.config_path = config_find(args->config)};

	for (int i = 1; i < args->argc; i++) {
		if (strcmp(args->argv[i], "--accept-new-device") == 0) {
			options.new_device = true;
		} else {
			return client_fail(
			        EX_USAGE, args->json, "run: unknown argument %s", args->argv[i]);
		}
	}
	return daemon_run(&options);
}

static int verb_watch(const struct args *args)
{
	struct watcher_options options = {.config_path = config_find(args->config)};
	bool check = false;

	for (int i = 1; i < args->argc; i++)
		if (strcmp(args->argv[i], "--check") == 0)
			check = true;
	for (int i = 1; i < args->argc; i++) {
		if (!check && strcmp(args->argv[i], "--accept-new-device") == 0) {
			options.new_device = true;
		} else if (strcmp(args->argv[i], "--check") != 0) {
			fprintf(stderr, "watch: unknown argument %s\n", args->argv[i]);
			return check ? 3 : EX_USAGE; /* 3: unknown, to Nagios */
		}
	}
	return check ? watcher_check(options.config_path, args->json) : watcher_run(&options);
}

static int verb_check(const struct args *args)
{
	if (args->argc > 1)
		return client_fail(EX_USAGE, args->json, "check: takes no arguments");
	return cmd_check(config_find(args->config), args->json);
}

static int verb_login(const struct args *args)
{
	return cmd_login(config_find(args->config), args->json, args->argc, args->argv);
}

static int verb_client(const struct args *args)
{
	return client_command(
	        args->argv[0], config_find(args->config), args->json, args->argc, args->argv);
}

static const struct {
	const char *name;
	int (*run)(const struct args *args);
	const char *help;
} verbs[] = {
        {"run", verb_run, "run the daemon in the foreground [--accept-new-device]"},
        {"check", verb_check, "check config, token, rooms and database; a fix for each fault"},
        {"watch", verb_watch,
                "watch another bot's heartbeat [--accept-new-device]; watch --check: is "
                "it there?"},
        {"login", verb_login, "log in with a password and store the token"},
        {"status", verb_client, "how the daemon is"},
        {"alerts", verb_client, "the newest alerts: alerts [APP] [N]"},
        {"alert", verb_client, "what became of one, and why: alert RUN_ID"},
        {"ack", verb_client, "take a failure on: ack RUN_ID… [NOTE]"},
        {"unack", verb_client, "give it back: unack RUN_ID"},
        {"silence", verb_client,
                "hold alerts back: silence WHAT [from 22:00] [2h | until resolved] [REASON]"},
        {"silences", verb_client, "what is held back"},
        {"unsilence", verb_client, "end a silence: unsilence NUMBER"},
        {"heartbeat", verb_client,
                "the daily sign of life and those of apps; heartbeat now sends one"},
        {"accept", verb_client,
                "trust the new identity of a user in encrypted rooms: accept USER KEY"},
        {"retry", verb_client, "put undeliverable messages back into the queue: retry [ID]"},
        {"wait", verb_client, "wait until an alert is in the room: wait ALERT"},
        {"subscribe", verb_client, "a line for each thing that happens"},
        {"metrics", verb_client, "counters, as JSON"},
        {"verify", verb_client, "compare emoji with an operator: verify [USER]"},
        {"test", verb_client, "inject a synthetic failure: test node|dag|violation|all"},
};

#define VERBS_LEN (sizeof(verbs) / sizeof(verbs[0]))

static void usage(FILE *out)
{
	fprintf(out, "usage: matrix-telemetry-bot [-c FILE] [--json] COMMAND [ARGUMENTS]\n\n");
	for (size_t i = 0; i < VERBS_LEN; i++)
		fprintf(out, "  %-9s %s\n", verbs[i].name, verbs[i].help);
	fprintf(out, "\n  -c, --config FILE  default: $MATRIX_TELEMETRY_BOT_CONFIG, ./bot.conf,\n"
	             "                     /etc/matrix-telemetry-bot/bot.conf\n"
	             "  --json             answers as JSON\n"
	             "  -h, --help         this text\n"
	             "  -V, --version      the version\n\n"
	             "Exit codes: 0 ok, 64 usage, 65 bad data, 69 no daemon, 75 try again,\n"
	             "78 bad config; of watch --check: 0 ok, 1 warning, 2 critical, 3 unknown.\n"
	             "See matrix-telemetry-bot(1), bot.conf(5).\n");
}

/* Takes the common options out of argv, wherever they stand before "--". */
static bool args_parse(struct args *args, int argc, char **argv)
{
	bool raw = false;

	memset(args, 0, sizeof(*args));
	args->argv = argv + 1;
	for (int i = 1; i < argc; i++) {
		char *arg = argv[i];

		if (!raw && (strcmp(arg, "-c") == 0 || strcmp(arg, "--config") == 0)) {
			if (++i == argc) {
				fprintf(stderr, "%s wants a file\n", arg);
				return false;
			}
			args->config = argv[i];
		} else if (!raw && strncmp(arg, "--config=", 9) == 0) {
			args->config = arg + 9;
		} else if (!raw && strcmp(arg, "--json") == 0) {
			args->json = true;
		} else if (!raw && (strcmp(arg, "-h") == 0 || strcmp(arg, "--help") == 0)) {
			args->help = true;
		} else if (!raw && (strcmp(arg, "-V") == 0 || strcmp(arg, "--version") == 0)) {
			args->version = true;
		} else {
			raw = raw || strcmp(arg, "--") == 0;
			args->argv[args->argc++] = arg;
		}
	}
	args->argv[args->argc] = NULL;
	return true;
}

static int unknown_verb(const char *name, bool json)
{
	size_t best = VERBS_LEN;
	unsigned best_distance = 4; /* further away is no likeness */

	for (size_t i = 0; i < VERBS_LEN; i++) {
		unsigned distance = text_distance(name, verbs[i].name);

		if (distance < best_distance) {
			best = i;
			best_distance = distance;
		}
	}
	if (best < VERBS_LEN)
		return client_fail(EX_USAGE, json, "unknown command %s; did you mean %s?", name,
		        verbs[best].name);
	return client_fail(EX_USAGE, json, "unknown command %s; --help lists them", name);
}

int main(int argc, char **argv)
{
	struct args args;

	x_alloc_init();
	if (!args_parse(&args, argc, argv))
		return EX_USAGE;
	if (args.version) {
		printf("matrix-telemetry-bot %s\n", BOT_VERSION);
		return EX_OK;
	}
	if (args.help) {
		usage(stdout);
		return EX_OK;
	}
	if (args.argc == 0) {
		usage(stderr);
		return EX_USAGE;
	}
	for (size_t i = 0; i < VERBS_LEN; i++)
		if (strcmp(verbs[i].name, args.argv[0]) == 0)
			return verbs[i].run(&args);
	return unknown_verb(args.argv[0], args.json);
}

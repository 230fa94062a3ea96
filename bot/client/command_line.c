/*
 * command_line.c - see command_line.h. A verb that only passes its arguments on is a row with a
 * function from arguments to request; `test` and `subscribe` have a course of their own.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include "bot/base/alloc.h"
#include "bot/base/buf.h"
#include "bot/base/synthetic.h"
#include "bot/client/command_line.h"
#include "bot/client/socket.h"
#include "bot/client/verify_dialog.h"
#include "bot/config/config.h"

#define ANSWER_TIMEOUT_MS 10000
#define WAIT_TIMEOUT_MS 30000
#define REPORT_MAX (64 * 1024)

struct command {
	const char *verb, *usage;
	/* Fills the request's members beside op; false: usage. NULL: takes no arguments. */
	bool (*fill)(json_t *request, int argc, char **argv);
	/* What to do once connected; NULL: one request, one answer. */
	int (*run)(struct client *client, const json_t *request, bool json);
};

/* The word for a program; the daemon's own answers have theirs. */
static const char *error_of(int status)
{
	switch (status) {
	case EX_USAGE:
		return "usage";
	case EX_UNAVAILABLE:
		return "no_daemon";
	case EX_TEMPFAIL:
		return "timeout";
	case EX_CONFIG:
		return "config";
	default:
		return "internal";
	}
}

int client_fail(int status, bool json, const char *format, ...)
{
	char *text = x_calloc(1, REPORT_MAX);
	va_list args;
	size_t len;

	va_start(args, format);
	vsnprintf(text, REPORT_MAX, format, args);
	va_end(args);
	len = strlen(text);
	if (len > 0 && text[len - 1] == '\n')
		text[len - 1] = '\0';
	if (json) {
		json_t *answer = json_pack(
		        "{s:b, s:s, s:s}", "ok", 0, "error", error_of(status), "message", text);

		if (!answer) /* arguments need not be UTF-8 */
			answer = json_pack("{s:b, s:s}", "ok", 0, "error", error_of(status));
		client_print(answer);
		json_decref(answer);
	} else {
		fprintf(stderr, "matrix-telemetry-bot: %s\n", text);
	}
	free(text);
	return status;
}

/* Prints an answer and turns it into an exit status. */
static int print_answer(const json_t *answer, const char *prefix, bool json)
{
	const char *text = client_text(answer, "text");
	bool ok = json_is_true(json_object_get(answer, "ok"));

	if (json || (ok && !json_object_get(answer, "text"))) /* counters have none for people */
		client_print(answer);
	else if (ok)
		printf("%s%s%s", prefix, text, *text && text[strlen(text) - 1] == '\n' ? "" : "\n");
	else
		fprintf(stderr, "matrix-telemetry-bot: %s%s\n", prefix,
		        client_text(answer, "message"));
	if (ok)
		return EX_OK;
	bool later = json_is_true(json_object_get(answer, "retry")) ||
	             strcmp(client_text(answer, "error"), "timeout") == 0;
	return later ? EX_TEMPFAIL : EX_DATAERR;
}

static int failed(enum err err, const struct fault *fault, bool json)
{
	return client_fail(
	        err == ERR_TIMEOUT ? EX_TEMPFAIL : EX_UNAVAILABLE, json, "%s", fault->text);
}

/* ---- from arguments to requests ---- */

static bool parse_number(const char *text, json_int_t *out)
{
	char *end;
	*out = strtoll(text, &end, 10);
	return *text >= '0' && *text <= '9' && *end == '\0';
}

/* [NUMBER], as member `name` */
static bool fill_number(json_t *request, const char *name, int argc, char **argv)
{
	json_int_t number;

	if (argc == 0)
		return true;
	return argc == 1 && parse_number(argv[0], &number) &&
	       json_object_set_new(request, name, json_integer(number)) == 0;
}

static bool fill_alerts(json_t *request, int argc, char **argv)
{
	json_int_t number;

	if (argc > 0 && !parse_number(argv[0], &number)) {
		if (json_object_set_new(request, "app", json_string(argv[0])) != 0)
			return false;
		argc--;
		argv++;
	}
	return fill_number(request, "limit", argc, argv);
}

/* The op "alert" hands one in. */
static bool fill_alert(json_t *request, int argc, char **argv)
{
	json_object_set_new(request, "op", json_string("alerts"));
	return argc == 1 && json_object_set_new(request, "run_id", json_string(argv[0])) == 0;
}

static bool fill_accept(json_t *request, int argc, char **argv)
{
	return argc == 2 && json_object_set_new(request, "user", json_string(argv[0])) == 0 &&
	       json_object_set_new(request, "key", json_string(argv[1])) == 0;
}

static bool fill_retry(json_t *request, int argc, char **argv)
{
	return fill_number(request, "id", argc, argv);
}

static bool fill_wait(json_t *request, int argc, char **argv)
{
	json_object_set_new(request, "timeout_ms", json_integer(WAIT_TIMEOUT_MS));
	return argc == 1 && fill_number(request, "alert", argc, argv);
}

/* The words as they would stand behind a command in a room. */
static bool fill_words(json_t *request, int argc, char **argv)
{
	struct buf text;

	buf_init(&text, REPORT_MAX);
	for (int i = 0; i < argc; i++)
		buf_printf(&text, "%s%s", i ? " " : "", argv[i]);
	json_object_set_new(request, "args", json_string(buf_str(&text)));
	buf_finish(&text);
	return argc > 0;
}

/* The same, or nothing. */
static bool fill_some_words(json_t *request, int argc, char **argv)
{
	return argc == 0 || fill_words(request, argc, argv);
}

static bool fill_test(json_t *request, int argc, char **argv)
{
	return argc == 1 && synthetic_known(argv[0]) &&
	       json_object_set_new(request, "kind", json_string(argv[0])) == 0;
}

/* ---- courses of their own ---- */

static int run_test_kind(struct client *client, const char *name, bool json)
{
	json_t *alert = synthetic_alert(name);
	json_t *answer = NULL, *wait = NULL, *waited = NULL;
	struct fault fault;
	char prefix[32];
	int status;

	snprintf(prefix, sizeof(prefix), "%s: ", name);
	enum err err = client_call(client, alert, ANSWER_TIMEOUT_MS, &answer, &fault);
	if (err != OK) {
		status = failed(err, &fault, json);
		goto done;
	}
	if (!json_is_true(json_object_get(answer, "ok"))) {
		status = print_answer(answer, prefix, json);
		goto done;
	}
	wait = json_pack("{s:s, s:O, s:i}", "op", "wait", "alert", json_object_get(answer, "alert"),
	        "timeout_ms", WAIT_TIMEOUT_MS);
	err = client_call(client, wait, WAIT_TIMEOUT_MS + 2000, &waited, &fault);
	status = err == OK ? print_answer(waited, prefix, json) : failed(err, &fault, json);
done:
	json_decref(alert);
	json_decref(answer);
	json_decref(wait);
	json_decref(waited);
	return status;
}

static int run_test(struct client *client, const json_t *request, bool json)
{
	const char *kind = client_text(request, "kind");
	const char *name;
	int worst = EX_OK;

	for (size_t i = 0; (name = synthetic_name(i)); i++) {
		if (strcmp(kind, name) != 0 && strcmp(kind, "all") != 0)
			continue;
		int status = run_test_kind(client, name, json);
		worst = status == EX_OK ? worst : status;
	}
	return worst;
}

/* Prints what comes until the daemon goes; one JSON object a line, with or without --json. */
static int run_subscribe(struct client *client, const json_t *request, bool json)
{
	struct fault fault;
	json_t *answer;
	enum err err = client_send(client, request, &fault);

	while (err == OK) {
		err = client_receive(client, -1, &answer, &fault);
		if (err == OK) {
			client_print(answer);
			fflush(stdout);
			json_decref(answer);
		}
	}
	return failed(err, &fault, json);
}

static int run_plain(struct client *client, const json_t *request, bool json)
{
	json_t *answer;
	struct fault fault;
	int timeout_ms =
	        json_object_get(request, "timeout_ms") ? WAIT_TIMEOUT_MS + 2000 : ANSWER_TIMEOUT_MS;
	enum err err = client_call(client, request, timeout_ms, &answer, &fault);

	if (err != OK)
		return failed(err, &fault, json);
	int status = print_answer(answer, "", json);
	json_decref(answer);
	return status;
}

/* ---- the table ---- */

static const struct command commands[] = {
        {"accept", "accept USER KEY", fill_accept, run_plain},
        {"ack", "ack RUN_ID… [NOTE]", fill_words, run_plain},
        {"alert", "alert RUN_ID", fill_alert, run_plain},
        {"alerts", "alerts [APP] [N]", fill_alerts, run_plain},
        {"heartbeat", "heartbeat [now | stop APP [NAME]]", fill_some_words, run_plain},
        {"metrics", "metrics", NULL, run_plain},
        {"retry", "retry [ID]", fill_retry, run_plain},
        {"silence", "silence WHAT [from TIME] [DURATION | until TIME | until resolved] [REASON]",
                fill_words, run_plain},
        {"silences", "silences", NULL, run_plain},
        {"status", "status", NULL, run_plain},
        {"subscribe", "subscribe", NULL, run_subscribe},
        {"test", "test node|dag|violation|all", fill_test, run_test},
        {"unack", "unack RUN_ID…", fill_words, run_plain},
        {"unsilence", "unsilence NUMBER", fill_words, run_plain},
        {"verify", "verify [USER]", verify_fill, verify_run},
        {"wait", "wait ALERT", fill_wait, run_plain},
};

static const struct command *find_command(const char *verb)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (strcmp(commands[i].verb, verb) == 0)
			return &commands[i];
	return NULL;
}

static int with_daemon(
        const struct command *command, const json_t *request, const char *config_path, bool json)
{
	struct client *client = NULL;
	struct config *config = NULL;
	struct buf report;
	struct fault fault;
	int status;

	buf_init(&report, REPORT_MAX);
	if (config_load(config_path, &config, &report) != OK)
		status = client_fail(EX_CONFIG, json, "%s", buf_str(&report));
	else if (client_open(&client, config->socket.path, &fault) != OK)
		status = client_fail(EX_UNAVAILABLE, json, "%s: does the daemon run?", fault.text);
	else
		status = command->run(client, request, json);
	client_close(client);
	config_unref(config);
	buf_finish(&report);
	return status;
}

int client_command(const char *verb, const char *config_path, bool json, int argc, char **argv)
{
	const struct command *command = find_command(verb);

	if (!command)
		return client_fail(EX_USAGE, json, "no such command");
	json_t *request = json_pack("{s:s}", "op", verb);
	bool good = command->fill ? command->fill(request, argc - 1, argv + 1) : argc == 1;
	int status;
	if (good)
		status = with_daemon(command, request, config_path, json);
	else
		status = client_fail(
		        EX_USAGE, json, "usage: matrix-telemetry-bot %s", command->usage);
	json_decref(request);
	return status;
}

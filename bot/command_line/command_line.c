/*
 * command_line.c - see command_line.h. Most commands are one request and one answer; `test`,
 * `subscribe` and `verify` have functions of their own.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>
#include "bot/base/alloc.h"
#include "bot/base/buf.h"
#include "bot/base/synthetic.h"
#include "bot/base/text.h"
#include "bot/command_line/command_line.h"
#include "bot/client/socket.h"
#include "bot/command_line/verify_dialog.h"
#include "bot/config/config.h"
#include "handlers/commands/arguments.h"

#define ANSWER_TIMEOUT_MS 10000
#define WAIT_TIMEOUT_MS 30000
#define REPORT_MAX (64 * 1024)

enum { NAGIOS_OK, NAGIOS_WARNING, NAGIOS_CRITICAL, NAGIOS_UNKNOWN };

/* The error name for a local failure, as in the daemon's answers. */
static const char *error_of(int status)
{
	switch (status) {
	case EX_USAGE:
		return "usage";
	case EX_UNAVAILABLE:
		return "no_daemon";
	case EX_TEMPFAIL:
		return "timeout";
	case EX_NOPERM:
		return "denied";
	case EX_CONFIG:
		return "config";
	default:
		return "internal";
	}
}

/* Prints text from outside with its control characters replaced, which the terminal would obey. */
static void print_neutral(FILE *out, const char *prefix, const char *text)
{
	struct buf neutral;

	buf_init(&neutral, 4 * strlen(text) + 16);
	text_add_plain(&neutral, text, TEXT_NO_LIMIT, TEXT_KEEP_NEWLINES);
	fprintf(out, "%s%s%s", prefix, buf_str(&neutral),
	        neutral.len > 0 && neutral.data[neutral.len - 1] == '\n' ? "" : "\n");
	buf_finish(&neutral);
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

		if (!answer) /* NULL when arguments are not UTF-8 */
			answer = json_pack("{s:b, s:s}", "ok", 0, "error", error_of(status));
		client_print(answer);
		json_decref(answer);
	} else {
		print_neutral(stderr, "matrix-telemetry-bot: ", text);
	}
	free(text);
	return status;
}

/* Prints an answer and turns it into an exit status. */
static int print_answer(const json_t *answer, const char *prefix, bool json)
{
	const char *text = client_text(answer, "text");
	bool ok = json_is_true(json_object_get(answer, "ok"));

	if (json || (ok && !json_object_get(answer, "text"))) /* counters have no text form */
		client_print(answer);
	else if (ok)
		print_neutral(stdout, prefix, text);
	else {
		fprintf(stderr, "matrix-telemetry-bot: ");
		print_neutral(stderr, prefix, client_text(answer, "message"));
	}
	if (ok) /* a status with problems is not a success: alerts may not be readable */
		return json_array_size(json_object_get(answer, "problems")) > 0 ? EX_UNAVAILABLE
		                                                                : EX_OK;
	bool later = json_is_true(json_object_get(answer, "retry")) ||
	             strcmp(client_text(answer, "error"), "timeout") == 0;
	if (strcmp(client_text(answer, "error"), "config") == 0)
		return EX_CONFIG;
	if (strcmp(client_text(answer, "error"), "denied") == 0)
		return EX_NOPERM;
	return later ? EX_TEMPFAIL : EX_DATAERR;
}

static int command_line_failed(enum err err, const struct fault *fault, bool json)
{
	return client_fail(
	        err == ERR_TIMEOUT ? EX_TEMPFAIL : EX_UNAVAILABLE, json, "%s", fault->text);
}

/* ---- commands with more than one answer ---- */

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
		status = command_line_failed(err, &fault, json);
		goto done;
	}
	if (!json_is_true(json_object_get(answer, "ok"))) {
		status = print_answer(answer, prefix, json);
		goto done;
	}
	wait = json_pack("{s:s, s:O, s:i}", "op", "wait", "alert", json_object_get(answer, "alert"),
	        "timeout_ms", WAIT_TIMEOUT_MS);
	err = client_call(client, wait, WAIT_TIMEOUT_MS + 2000, &waited, &fault);
	status = err == OK ? print_answer(waited, prefix, json)
	                   : command_line_failed(err, &fault, json);
done:
	json_decref(alert);
	json_decref(answer);
	json_decref(wait);
	json_decref(waited);
	return status;
}

static bool is_well(const json_t *answer)
{
	return json_is_true(json_object_get(answer, "ok")) &&
	       json_array_size(json_object_get(answer, "problems")) == 0;
}

static int run_plain(struct client *client, const json_t *request, bool json, bool quiet)
{
	bool waits = strcmp(client_text(request, "op"), "wait") == 0;
	json_t *answer;
	struct fault fault;
	enum err err = client_call(client, request,
	        waits ? WAIT_TIMEOUT_MS + 2000 : ANSWER_TIMEOUT_MS, &answer, &fault);
	int status;

	if (err != OK)
		return command_line_failed(err, &fault, json);
	status = quiet && is_well(answer) ? EX_OK : print_answer(answer, "", json);
	json_decref(answer);
	return status;
}

static int command_line_run_test(struct client *client, const json_t *request, bool json)
{
	const char *kind = client_text(request, "kind");
	const char *name;
	int worst = EX_OK;

	if (strcmp(kind, "undelivered") == 0)
		return run_plain(client, request, json, false);
	for (size_t i = 0; (name = synthetic_name(i)); i++) {
		if (*kind ? strcmp(kind, name) != 0 && strcmp(kind, "all") != 0 : i > 0)
			continue;
		int status = run_test_kind(client, name, json);
		worst = status == EX_OK ? worst : status;
	}
	return worst;
}

/* Prints events until the daemon closes the connection; one JSON object a line, even without
 * --json. */
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
	return command_line_failed(err, &fault, json);
}

/* The first line of --check, in the form of a Nagios plugin. */
static int print_health(const json_t *answer, bool quiet)
{
	const json_t *problems = json_object_get(answer, "problems"), *problem;
	static const char *const mild[] = {
	        "clock", "rate_limit", "queue", "spool", "silence", "watch"};
	bool critical = false;
	size_t i;

	json_array_foreach(problems, i, problem)
	{
		const char *cause = client_text(problem, "cause");
		bool is_mild = false;

		for (size_t j = 0; j < sizeof(mild) / sizeof(mild[0]); j++)
			is_mild = is_mild || strcmp(mild[j], cause) == 0;
		critical = critical || !is_mild;
	}
	if (json_array_size(problems) == 0) {
		if (!quiet)
			printf("OK: running, %zu unacknowledged\n",
			        json_array_size(json_object_get(answer, "unacked")));
		return NAGIOS_OK;
	}
	printf("%s: ", critical ? "CRITICAL" : "WARNING");
	json_array_foreach(problems, i, problem)
	{
		printf("%s%s", i ? "; " : "", client_text(problem, "text"));
	}
	printf("\n");
	json_array_foreach(problems, i, problem) /* Nagios shows further lines as details */
	{
		printf("→ %s\n", client_text(problem, "fix"));
	}
	return critical ? NAGIOS_CRITICAL : NAGIOS_WARNING;
}

static int run_check(struct client *client, const json_t *request, bool quiet)
{
	json_t *answer = NULL;
	struct fault fault = {0};
	enum err err = client_call(client, request, ANSWER_TIMEOUT_MS, &answer, &fault);
	int status = NAGIOS_CRITICAL;

	if (err == OK && json_is_true(json_object_get(answer, "ok")))
		status = print_health(answer, quiet);
	else
		printf("CRITICAL: %s\n", err == OK ? client_text(answer, "message") : fault.text);
	json_decref(answer);
	return status;
}

static const struct {
	const char *name;
	int (*run)(struct client *client, const json_t *request, bool json);
} courses[] = {
        {"subscribe", run_subscribe}, {"test", command_line_run_test}, {"verify", verify_run}};

static int command_line_run(const struct command *command, struct client *client,
        const json_t *request, const struct command_line *line)
{
	if (line->check)
		return run_check(client, request, line->quiet);
	for (size_t i = 0; i < sizeof(courses) / sizeof(courses[0]); i++)
		if (strcmp(courses[i].name, command->name) == 0)
			return courses[i].run(client, request, line->json);
	return run_plain(client, request, line->json, line->quiet);
}

/* Reports that there is no answer from the daemon; a plugin prints that as its only line. */
static int fail_before(const struct command_line *line, int status, const char *text)
{
	/* whoever may not ask does not know how it is */
	bool unknown = status == EX_CONFIG || status == EX_NOPERM;

	if (!line->check)
		return client_fail(status, line->json, "%s", text);
	printf("%s: %s\n", unknown ? "UNKNOWN" : "CRITICAL", text);
	return unknown ? NAGIOS_UNKNOWN : NAGIOS_CRITICAL;
}

/*
 * The daemon's socket: of the config, or the built-in one where this user may not read the config:
 * who is in the socket's group may ask the daemon, but only the daemon's user and root read its
 * config.
 */
static enum err find_socket(
        const char *path, struct config **config, const char **socket, struct buf *report)
{
	enum err err = config_load(path, config, report);

	if (err == OK)
		*socket = (*config)->socket.path;
	else if (access(path, R_OK) == -1 && errno == EACCES) {
		*socket = CLIENT_SOCKET;
		err = OK;
	}
	return err;
}

static int with_daemon(
        const struct command *command, const json_t *request, const struct command_line *line)
{
	struct client *client = NULL;
	struct config *config = NULL;
	struct buf report;
	const char *socket = NULL;
	struct fault fault;
	int status;

	buf_init(&report, REPORT_MAX);
	if (find_socket(line->config, &config, &socket, &report) != OK)
		status = fail_before(line, EX_CONFIG, buf_str(&report));
	else if (client_open(&client, socket, ANSWER_TIMEOUT_MS, &fault) != OK)
		status = fail_before(
		        line, fault.code == ERR_DENIED ? EX_NOPERM : EX_UNAVAILABLE, fault.text);
	else
		status = command_line_run(command, client, request, line);
	client_close(client);
	config_unref(config);
	buf_finish(&report);
	return status;
}

static int fail_usage(
        const struct command *command, const struct command_line *line, const char *why)
{
	struct buf usage;
	int status;

	buf_init(&usage, REPORT_MAX);
	command_add_usage(command, &usage);
	status = client_fail(
	        EX_USAGE, line->json, "%s\nusage: matrix-telemetry-bot %s", why, buf_str(&usage));
	buf_finish(&usage);
	return status;
}

int client_command(const struct command *command, const struct command_line *line)
{
	char why[160];
	json_t *request;
	int status;

	if (!line->words)
		return fail_usage(command, line, "the arguments are not valid UTF-8");
	if (command->words && command->members[0].required && json_array_size(line->words) == 0)
		return fail_usage(command, line, "arguments are missing");
	if (arguments_from_words(command, line->words, &request, why) != OK)
		return fail_usage(command, line, why);
	json_object_set_new(request, "op", json_string(command->op ? command->op : command->name));
	if (strcmp(command->name, "wait") == 0)
		json_object_set_new(request, "timeout_ms", json_integer(WAIT_TIMEOUT_MS));
	status = with_daemon(command, request, line);
	json_decref(request);
	return status;
}

/*
 * send_message.c - matrix-send-message: the program for apps. It starts fast, as it links neither
 * libcurl nor libolm nor SQLite.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>
#include "bot/base/alloc.h"
#include "bot/base/buf.h"
#include "bot/base/clock.h"
#include "bot/base/request.h"
#include "bot/client/exec_report.h"
#include "bot/client/hand_in.h"
#include "bot/client/send_options.h"
#include "bot/client/socket.h"
#include "bot/config/config.h"

#define PROGRAM "matrix-send-message"
#define TIMEOUT_MS 10000
#define WAIT_TIMEOUT_MS 30000
#define EXEC_TIMEOUT_MS 2000 /* short, since the caller of the command waits for it */
#define REPORT_MAX (64 * 1024)

static int send_message_complain(int status, const char *message)
{
	fprintf(stderr, PROGRAM ": %s\n", message);
	return status;
}

static void print_warnings(const json_t *answer)
{
	const json_t *warning;
	size_t i;

	json_array_foreach(json_object_get(answer, "warnings"), i, warning)
	{
		fprintf(stderr, PROGRAM ": corrected: %s: %s\n", client_text(warning, "field"),
		        client_text(warning, "message"));
	}
}

static void print_refusal(const json_t *answer)
{
	const char *field = client_text(answer, "field");
	fprintf(stderr, PROGRAM ": rejected: %s%s%s (%s)\n", field, *field ? ": " : "",
	        client_text(answer, "message"), client_text(answer, "error"));
}

/* Prints when the next heartbeat is due, from the daemon, which knows the time zone. */
static void print_due(const json_t *answer)
{
	const char *text = client_text(answer, "text");

	puts(*text ? text : client_text(answer, "state"));
}

/* Reports a local failure in the form of the daemon's answers. */
static int send_message_fail(
        const struct send_options *options, int status, const char *error, const char *text)
{
	json_t *answer;

	if (!options->json)
		return send_message_complain(status, text);
	answer = json_pack("{s:b, s:s, s:s}", "ok", 0, "error", error, "message", text);
	if (answer) /* NULL: it quoted an argument that is not UTF-8 */
		client_print(answer);
	json_decref(answer);
	return answer ? status : send_message_complain(status, text);
}

/* Prints the state of the alert, and the reason if the daemon gave one. */
static void print_state(const json_t *answer)
{
	const char *reason = client_text(answer, "reason");

	fputs(client_text(answer, "state"), stdout);
	if (json_object_get(answer, "alert"))
		printf(" %" JSON_INTEGER_FORMAT,
		        json_integer_value(json_object_get(answer, "alert")));
	printf("%s%s\n", *reason ? ": " : "", reason);
}

/* Reports the answer to `wait`, after the alert was accepted. */
static int report_wait(
        const struct send_options *options, const json_t *answer, const json_t *waited)
{
	bool in_room = json_is_true(json_object_get(waited, "ok"));

	if (options->json && waited)
		client_print(waited);
	else if (in_room)
		printf("in the room after %" JSON_INTEGER_FORMAT " ms, event %s\n",
		        json_integer_value(json_object_get(waited, "latency_ms")),
		        client_text(waited, "event_id"));
	else if (!send_is_on_its_way(answer))
		fprintf(stderr, PROGRAM ": it will not be sent: %s\n",
		        client_text(answer, "state"));
	else
		fprintf(stderr, PROGRAM ": not in the room: %s\n",
		        waited ? client_text(waited, "message") : "the connection was lost");
	return in_room ? EX_OK : EX_TEMPFAIL;
}

static int send_alert(const struct send_options *options, const struct send *send)
{
	struct fault fault = {0};
	json_t *answer, *waited;
	int status = EX_OK;

	if (options->text.from_stdin)
		send_read_text(options->alert, STDIN_FILENO);
	send_prepare(options->alert);
	enum send_result result =
	        send_one(send, options->alert, options->wait, &answer, &waited, &fault);
	if (answer && options->json)
		client_print(answer);
	switch (result) {
	case SEND_TAKEN:
		if (!options->json && options->heartbeat)
			print_due(answer);
		else if (!options->json)
			print_state(answer);
		if (!options->json)
			print_warnings(answer);
		if (options->wait)
			status = report_wait(options, answer, waited);
		break;
	case SEND_SPOOLED:
		if (!options->json)
			puts("spooled");
		if (options->wait)
			status = send_message_complain(
			        EX_TEMPFAIL, "the daemon is down: nothing to wait for");
		break;
	case SEND_REFUSED:
		if (!options->json)
			print_refusal(answer);
		status = strcmp(client_text(answer, "error"), "forbidden") == 0 ? EX_NOPERM
		                                                                : EX_DATAERR;
		break;
	case SEND_FAILED:
		/* without a fault the daemon answered, but asks to try again */
		status = EX_TEMPFAIL;
		if (fault.code == ERR_DENIED)
			status = send_message_fail(options, EX_NOPERM, "denied", fault.text);
		else if (fault.text[0] && answer && options->json)
			status = EX_UNAVAILABLE; /* the answer was printed */
		else if (fault.text[0])
			status =
			        send_message_fail(options, EX_UNAVAILABLE, "no_daemon", fault.text);
		if (answer && !options->json)
			send_message_complain(0, client_text(answer, "message"));
		break;
	}
	json_decref(answer);
	json_decref(waited);
	return status;
}

static int send_many(const struct send *send)
{
	struct send_counts counts;

	send_lines(send, STDIN_FILENO, &counts);
	fprintf(stderr, "%lu accepted, %lu spooled, %lu rejected, %lu failed\n", counts.taken,
	        counts.spooled, counts.refused, counts.failed);
	if (counts.failed > 0)
		return EX_UNAVAILABLE;
	return counts.refused > 0 ? EX_DATAERR : EX_OK;
}

static const char *from_environment(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

/* Fills the paths not given on the command line: from the environment, from a config that this user
 * can read, else the built-in ones. *config may stay NULL. */
static int find_paths(const struct send_options *options, struct send *send, struct config **config)
{
	struct buf report;
	int status = EX_OK;

	*config = NULL;
	if (!send->socket)
		send->socket = from_environment("MATRIX_TELEMETRY_BOT_SOCKET");
	if (!send->spool)
		send->spool = from_environment("MATRIX_TELEMETRY_BOT_SPOOL");
	if (send->socket && send->spool && !options->config)
		return EX_OK;
	buf_init(&report, REPORT_MAX);
	if (config_load(config_find(options->config), config, &report) == OK) {
		send->socket = send->socket ? send->socket : (*config)->socket.path;
		send->spool = send->spool ? send->spool : (*config)->storage.spool;
	} else if (options->config) {
		fputs(buf_str(&report), stderr);
		status = EX_CONFIG;
	}
	buf_finish(&report);
	if (!send->socket)
		send->socket = CLIENT_SOCKET;
	if (!send->spool && access(SEND_SPOOL, F_OK) == 0)
		send->spool =
		        SEND_SPOOL; /* a folder that the daemon does not read cannot be the spool */
	return status;
}

/* The command runs in any case, whatever else is wrong here. */
static void run_command(struct send_options *options, struct send *send, struct config **config,
        struct exec_outcome *outcome)
{
	exec_run(options->command, outcome);
	signal(SIGPIPE, SIG_IGN);
	find_paths(options, send, config);
	exec_describe(options->alert, options->command, outcome, clock_now_ms());
	exec_report(send, options->alert, options->beat);
}

int main(int argc, char **argv)
{
	struct send_options options;
	struct exec_outcome outcome;
	struct config *config = NULL;
	struct fault fault;
	bool ran = false;
	int status = EX_OK;

	x_alloc_init();
	if (send_options_parse(&options, argc, argv, &fault) != OK) {
		status = send_message_fail(&options, EX_USAGE, "usage", fault.text);
		if (!options.json)
			fprintf(stderr, "Try " PROGRAM " --help.\n");
		goto done;
	}
	if (options.help || options.version) {
		if (options.help)
			send_options_help(stdout);
		else
			puts(PROGRAM " " BOT_VERSION);
		status = EX_OK;
		goto done;
	}
	struct send send = {
	        .socket = options.socket,
	        .spool = options.spool,
	        .timeout_ms = options.timeout_ms >= 0 ? options.timeout_ms
	                      : options.wait          ? WAIT_TIMEOUT_MS
	                      : options.exec          ? EXEC_TIMEOUT_MS
	                                              : TIMEOUT_MS,
	};
	if (options.exec) {
		run_command(&options, &send, &config, &outcome);
		ran = true;
		goto done;
	}
	signal(SIGPIPE, SIG_IGN);
	status = find_paths(&options, &send, &config);
	if (status == EX_OK)
		status = options.ndjson ? send_many(&send) : send_alert(&options, &send);
	if (fflush(stdout) != 0 && status == EX_OK)
		status = EX_IOERR;
done:
	config_unref(config);
	send_options_finish(&options);
	if (ran)
		exec_end(&outcome);
	return status;
}

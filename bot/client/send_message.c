/*
 * send_message.c - matrix-send-message: the program for apps. It starts quickly because it links
 * neither libcurl nor libolm nor SQLite.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>
#include "bot/base/alloc.h"
#include "bot/base/buf.h"
#include "bot/base/text.h"
#include "bot/client/hand_in.h"
#include "bot/client/send_options.h"
#include "bot/client/socket.h"
#include "bot/config/config.h"

#define PROGRAM "matrix-send-message"
#define REQUEST_MAX (64 * 1024)
#define TIMEOUT_MS 10000
#define WAIT_TIMEOUT_MS 30000
#define REPORT_MAX (64 * 1024)

static int complain(int status, const char *message)
{
	fprintf(stderr, PROGRAM ": %s\n", message);
	return status;
}

/* Reads standard input as the alert's text; what is no UTF-8 becomes U+FFFD. */
static void read_text(json_t *alert)
{
	struct buf raw, text;
	char chunk[4096];
	ssize_t count;

	buf_init(&raw, REQUEST_MAX);
	buf_init(&text, 4 * REQUEST_MAX);
	while (!raw.overflow && (count = read(STDIN_FILENO, chunk, sizeof(chunk))) > 0)
		buf_add(&raw, chunk, (size_t)count);
	text_add_plain(&text, buf_str(&raw), REQUEST_MAX / 4, TEXT_KEEP_NEWLINES);
	buf_trim_lines(&text);
	json_object_set_new(alert, "text", json_string(buf_str(&text)));
	buf_finish(&raw);
	buf_finish(&text);
}

static void print_refusal(const json_t *answer)
{
	const char *field = client_text(answer, "field");
	fprintf(stderr, PROGRAM ": refused: %s%s%s (%s)\n", field, *field ? ": " : "",
	        client_text(answer, "message"), client_text(answer, "error"));
}

/* What became of a heartbeat; the daemon knows the zone. */
static void print_due(const json_t *answer)
{
	const char *text = client_text(answer, "text");

	puts(*text ? text : client_text(answer, "state"));
}

/* A failure of our own, as the daemon would tell it. */
static int fail(const struct send_options *options, int status, const char *error, const char *text)
{
	json_t *answer;

	if (!options->json)
		return complain(status, text);
	answer = json_pack("{s:b, s:s, s:s}", "ok", 0, "error", error, "message", text);
	if (answer) /* NULL: an argument that is no UTF-8 was quoted */
		client_print(answer);
	json_decref(answer);
	return answer ? status : complain(status, text);
}

/* What `wait` said, after the alert was taken in. */
static int report_wait(const struct send_options *options, const json_t *waited)
{
	bool in_room = json_is_true(json_object_get(waited, "ok"));

	if (options->json && waited)
		client_print(waited);
	else if (in_room)
		printf("in the room after %" JSON_INTEGER_FORMAT " ms, event %s\n",
		        json_integer_value(json_object_get(waited, "latency_ms")),
		        client_text(waited, "event_id"));
	else
		fprintf(stderr, PROGRAM ": not in the room in time; it stays in the queue\n");
	return in_room ? EX_OK : EX_TEMPFAIL;
}

static int send_alert(const struct send_options *options, const struct send *send)
{
	struct fault fault = {0};
	json_t *answer, *waited;
	int status = EX_OK;

	if (options->text.from_stdin)
		read_text(options->alert);
	send_prepare(options->alert);
	if (json_dumpb(options->alert, NULL, 0, JSON_COMPACT) > REQUEST_MAX)
		return fail(options, EX_DATAERR, "too_large", "an alert has at most 65536 bytes");

	enum send_result result =
	        send_one(send, options->alert, options->wait, &answer, &waited, &fault);
	if (answer && options->json)
		client_print(answer);
	switch (result) {
	case SEND_TAKEN:
		if (!options->json && options->heartbeat)
			print_due(answer);
		else if (!options->json)
			printf("%s %" JSON_INTEGER_FORMAT "\n", client_text(answer, "state"),
			        json_integer_value(json_object_get(answer, "alert")));
		if (options->wait)
			status = report_wait(options, waited);
		break;
	case SEND_SPOOLED:
		if (!options->json)
			puts("spooled");
		if (options->wait)
			status = complain(EX_TEMPFAIL, "the daemon is down: nothing to wait for");
		break;
	case SEND_REFUSED:
		print_refusal(answer);
		status = EX_DATAERR;
		break;
	case SEND_FAILED:
		/* Without a fault the daemon is there, and asked to try again. */
		status = EX_TEMPFAIL;
		if (fault.text[0] && answer && options->json)
			status = EX_UNAVAILABLE; /* the answer was printed */
		else if (fault.text[0])
			status = fail(options, EX_UNAVAILABLE, "no_daemon", fault.text);
		if (answer && !options->json)
			complain(0, client_text(answer, "message"));
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
	fprintf(stderr, "%lu taken in, %lu spooled, %lu refused, %lu lost\n", counts.taken,
	        counts.spooled, counts.refused, counts.failed);
	if (counts.failed > 0)
		return EX_UNAVAILABLE;
	return counts.refused > 0 ? EX_DATAERR : EX_OK;
}

/* Fills the paths from the config where the command line does not say. *config may stay NULL. */
static int find_paths(const struct send_options *options, struct send *send, struct config **config)
{
	struct buf report;
	int status = EX_OK;

	*config = NULL;
	if (send->socket && send->spool)
		return EX_OK;
	buf_init(&report, REPORT_MAX);
	if (config_load(config_find(options->config), config, &report) == OK) {
		send->socket = send->socket ? send->socket : (*config)->socket.path;
		send->spool = send->spool ? send->spool : (*config)->storage.spool;
	} else if (!send->socket || options->config) {
		fputs(buf_str(&report), stderr);
		status = EX_CONFIG;
	}
	buf_finish(&report);
	return status;
}

int main(int argc, char **argv)
{
	struct send_options options;
	struct config *config = NULL;
	struct fault fault;
	int status;

	x_alloc_init();
	signal(SIGPIPE, SIG_IGN);
	if (send_options_parse(&options, argc, argv, &fault) != OK) {
		status = fail(&options, EX_USAGE, "usage", fault.text);
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
	                                              : TIMEOUT_MS,
	};
	status = find_paths(&options, &send, &config);
	if (status == EX_OK)
		status = options.ndjson ? send_many(&send) : send_alert(&options, &send);
	if (fflush(stdout) != 0 && status == EX_OK)
		status = EX_IOERR;
done:
	config_unref(config);
	send_options_finish(&options);
	return status;
}

/*
 * send_lines.c - many alerts, pipelined.
 *
 * Happy path: lines are read while fewer than SEND_WINDOW alerts are unanswered, sent at once, and
 * each answer is printed as it arrives. A line that is not an alert has its place in the same
 * queue, with an answer made here. When the connection is lost, unanswered alerts and all that
 * follow are spooled.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "bot/base/alloc.h"
#include "bot/base/buf.h"
#include "bot/base/request.h"
#include "bot/client/hand_in.h"
#include "bot/client/socket.h"

#define LINE_MAX_BYTES (1024 * 1024) /* lines over REQUEST_MAX are cut to fit */

struct slot {
	json_t *alert;  /* sent, unanswered; NULL: there is an answer */
	json_t *answer; /* made here */
};

struct lines {
	const struct send *send;
	struct send_counts *counts;
	struct client *client; /* NULL = lost */
	struct slot ring[SEND_WINDOW];
	unsigned head, len;
	struct buf in; /* read from fd, not yet processed */
	bool skipping; /* inside the rest of a line that is too long */
	bool eof;
};

static void send_lines_print(struct lines *lines, enum send_result result, json_t *answer)
{
	client_print(answer);
	json_decref(answer);
	lines->counts->taken += result == SEND_TAKEN;
	lines->counts->spooled += result == SEND_SPOOLED;
	lines->counts->refused += result == SEND_REFUSED;
	lines->counts->failed += result == SEND_FAILED;
}

static void print_spooled(struct lines *lines, json_t *alert)
{
	json_t *answer;
	enum send_result result = send_spool(lines->send, alert, &answer);

	send_lines_print(lines, result, answer);
}

static struct slot *send_lines_head(struct lines *lines)
{
	return &lines->ring[lines->head];
}

static void send_lines_pop(struct lines *lines)
{
	json_decref(send_lines_head(lines)->alert);
	*send_lines_head(lines) = (struct slot){0};
	lines->head = (lines->head + 1) % SEND_WINDOW;
	lines->len--;
}

static void send_lines_push(struct lines *lines, json_t *alert, json_t *answer)
{
	lines->ring[(lines->head + lines->len++) % SEND_WINDOW] = (struct slot){alert, answer};
}

/* Prints all that needs no daemon: answers made here and, without a connection, spooled alerts. */
static void send_lines_settle(struct lines *lines)
{
	while (lines->len > 0 && (send_lines_head(lines)->answer || !lines->client)) {
		if (send_lines_head(lines)->answer)
			send_lines_print(lines, SEND_REFUSED, send_lines_head(lines)->answer);
		else
			print_spooled(lines, send_lines_head(lines)->alert);
		send_lines_pop(lines);
	}
}

static void send_lines_note_loss(struct lines *lines)
{
	client_close(lines->client);
	lines->client = NULL;
}

/* Prints the answers received so far; poll(2) does not report those that arrived with another. */
static void send_lines_receive(struct lines *lines)
{
	struct fault fault;
	json_t *answer;
	bool retry;

	for (send_lines_settle(lines); lines->len > 0; send_lines_settle(lines)) {
		enum err err = client_receive(lines->client, 0, &answer, &fault);
		if (err == ERR_TIMEOUT)
			return;
		if (err != OK) {
			fprintf(stderr, "matrix-send-message: %s\n", fault.text);
			send_lines_note_loss(lines);
			continue;
		}
		enum send_result result = send_judge(answer, &retry);
		if (result == SEND_REFUSED && retry) {
			json_decref(answer);
			print_spooled(lines, send_lines_head(lines)->alert);
		} else {
			send_lines_print(lines, result, answer);
		}
		send_lines_pop(lines);
	}
}

static json_t *send_lines_bad_line(const char *error, const char *message)
{
	return json_pack("{s:b, s:s, s:s}", "ok", 0, "error", error, "message", message);
}

static void send_lines_take_line(struct lines *lines, const char *line, size_t len)
{
	struct fault fault;
	json_t *alert = NULL;
	size_t position;

	if (strspn(line, " \t\r") == len)
		return; /* skip blank lines */
	if (len <= LINE_MAX_BYTES)
		request_parse(line, len, &alert, &position, &fault);
	const json_t *op = json_object_get(alert, "op");
	if (len > LINE_MAX_BYTES) {
		send_lines_push(lines, NULL,
		        send_lines_bad_line("too_large", "a line has at most 1048576 bytes"));
	} else if (!json_is_object(alert)) {
		send_lines_push(lines, NULL, send_lines_bad_line("json", "not a JSON object"));
	} else if (op && (!json_is_string(op) || strcmp(json_string_value(op), "alert") != 0)) {
		send_lines_push(lines, NULL, send_lines_bad_line("invalid", "op must be alert"));
	} else {
		send_prepare(alert);
		send_lines_push(lines, json_incref(alert), NULL);
		/* a failed send is not fatal: the daemon may have sent a reason */
		if (lines->client && client_send(lines->client, alert, &fault) == ERR_TIMEOUT)
			send_lines_note_loss(lines);
	}
	json_decref(alert);
}

static void take_lines(struct lines *lines)
{
	size_t used = 0;

	while (lines->len < SEND_WINDOW && used < lines->in.len) {
		char *start = lines->in.data + used;
		char *end = memchr(start, '\n', lines->in.len - used);
		size_t len = end ? (size_t)(end - start) : lines->in.len - used;

		if (!end && !lines->eof && len <= LINE_MAX_BYTES)
			break;
		if (end)
			*end = '\0';
		if (!lines->skipping)
			send_lines_take_line(lines, start, len);
		lines->skipping = !end;
		used += len + (end ? 1 : 0);
	}
	buf_drop(&lines->in, used);
}

static void read_more(struct lines *lines, int fd)
{
	char chunk[16 * 1024];
	ssize_t count = read(fd, chunk, sizeof(chunk));

	if (count > 0)
		buf_add(&lines->in, chunk, (size_t)count);
	else if (count == 0 || errno != EINTR)
		lines->eof = true;
}

void send_lines(const struct send *send, int fd, struct send_counts *counts)
{
	struct lines *lines = x_calloc(1, sizeof(*lines));
	struct fault fault;

	*counts = (struct send_counts){0};
	lines->send = send;
	lines->counts = counts;
	buf_init(&lines->in, 2 * LINE_MAX_BYTES);
	if (client_open(&lines->client, send->socket, send->timeout_ms, &fault) != OK)
		fprintf(stderr, "matrix-send-message: %s\n", fault.text);

	for (;;) {
		take_lines(lines);
		send_lines_settle(lines);
		if (lines->len == 0 && lines->eof && lines->in.len == 0)
			break;
		bool more = !lines->eof && lines->len < SEND_WINDOW;
		struct pollfd fds[2] = {
		        {.fd = more ? fd : -1, .events = POLLIN},
		        {.fd = lines->len > 0 ? client_fd(lines->client) : -1, .events = POLLIN},
		};
		if (!more && lines->len == 0)
			continue;
		fflush(stdout);
		int ready = poll(fds, 2, lines->len > 0 ? (int)send->timeout_ms : -1);
		if (ready == 0)
			send_lines_note_loss(lines); /* the daemon does not answer */
		if (ready <= 0)
			continue;
		if (fds[0].revents)
			read_more(lines, fd);
		if (fds[1].revents)
			send_lines_receive(lines);
	}
	fflush(stdout);
	send_lines_note_loss(lines);
	buf_finish(&lines->in);
	free(lines);
}

/*
 * exec_report.c - see exec_report.h.
 */
#include "bot/client/exec_report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include "bot/base/alloc.h"
#include "bot/base/buf.h"
#include "bot/base/clock.h"
#include "bot/base/json_mend.h"
#include "bot/base/text.h"
#include "bot/client/socket.h"

#define TEXT_BYTES 1600 /* of output: less than a message shows of a text */
#define TEXT_LINES 15

static void exec_set(json_t *object, const char *name, json_t *value)
{
	if (json_object_get(object, name))
		json_decref(value);
	else
		json_object_set_new(object, name, value);
}

static json_t *exec_mended(const char *text, size_t len)
{
	json_t *notes = json_array(); /* corrections of the command's output are not reported */
	json_t *string = json_mend_string(text, len, notes, "text");

	json_decref(notes);
	return string;
}

/* The file name without its folder. */
static const char *exec_base_name(const char *command)
{
	const char *slash = strrchr(command, '/');

	return slash && slash[1] ? slash + 1 : command;
}

static void exec_add_end(struct buf *out, const struct exec_outcome *outcome)
{
	const char *name;

	if (outcome->error) {
		buf_printf(out, "not started: %s", outcome->error);
	} else if (WIFEXITED(outcome->wait_status)) {
		buf_printf(out, "exit %d", WEXITSTATUS(outcome->wait_status));
	} else {
		name = sigabbrev_np(WTERMSIG(outcome->wait_status));
		buf_printf(out, "killed by SIG%s", name ? name : "?");
	}
}

/* Adds the last lines that fit; a line of which only a part is available is left out. */
static void exec_add_tail(struct buf *out, const struct exec_outcome *outcome)
{
	const char *end = outcome->tail + outcome->tail_len, *from;
	unsigned lines = 0;

	while (end > outcome->tail && strchr("\r\n\t ", end[-1]))
		end--;
	from = end;
	while (from > outcome->tail && end - from < TEXT_BYTES) {
		lines += from[-1] == '\n';
		if (lines == TEXT_LINES)
			break;
		from--;
	}
	if (from > outcome->tail && lines < TEXT_LINES) { /* begins inside a line */
		const char *newline = memchr(from, '\n', (size_t)(end - from));

		from = newline ? newline + 1 : from;
		while (from < end && (*from & 0xC0) == 0x80) /* do not begin inside a character */
			from++;
	}
	if (from == end)
		return;
	buf_add_str(out, from > outcome->tail || outcome->cut ? "\n…\n" : "\n");
	buf_add(out, from, (size_t)(end - from));
}

void exec_describe(
        json_t *alert, char *const *argv, const struct exec_outcome *outcome, int64_t now_ms)
{
	const char *name = exec_base_name(argv[0]);
	json_t *fields = json_object_get(alert, "fields");
	char at[32], duration[24];
	struct buf text;

	clock_format_rfc3339(now_ms, at, sizeof(at));
	clock_format_duration(outcome->duration_ms, duration, sizeof(duration));
	if (!fields) {
		fields = json_object();
		json_object_set_new(alert, "fields", fields);
	}
	exec_set(alert, "kind", json_string("command_failed"));
	exec_set(alert, "title", exec_mended(name, strlen(name)));
	exec_set(fields, "duration", json_string(duration));
	exec_set(fields, "duration_ms", json_integer(outcome->duration_ms));
	if (WIFEXITED(outcome->wait_status))
		exec_set(fields, "exit_code", json_integer(WEXITSTATUS(outcome->wait_status)));
	else
		exec_set(fields, "signal", json_integer(WTERMSIG(outcome->wait_status)));
	json_object_set_new(alert, "at", json_string(at));
	json_object_set_new(
	        alert, "status", json_string(outcome->wait_status == 0 ? "resolved" : "firing"));
	buf_init(&text, EXEC_TAIL_MAX + 256);
	exec_add_end(&text, outcome);
	exec_add_tail(&text, outcome);
	if (outcome->wait_status != 0)
		json_object_set_new(alert, "text", exec_mended(buf_str(&text), text.len));
	buf_finish(&text);
}

static void exec_hand_in(const struct send *send, json_t *request)
{
	json_t *answer = NULL, *waited = NULL;
	struct fault fault = {0};
	enum send_result result;

	send_prepare(request);
	result = send_one(send, request, false, &answer, &waited, &fault);
	if (result == SEND_REFUSED || result == SEND_FAILED)
		fprintf(stderr, "matrix-send-message: not reported: %s\n",
		        fault.text[0] ? fault.text : client_text(answer, "message"));
	json_decref(answer);
	json_decref(waited);
}

void exec_report(const struct send *send, json_t *alert, json_t *heartbeat)
{
	exec_hand_in(send, alert);
	if (heartbeat)
		exec_hand_in(send, heartbeat);
}

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
		buf_printf(out, "killed by SIG%s%s", name ? name : "?",
		        WCOREDUMP(outcome->wait_status) ? " (core dumped)" : "");
	}
}

/* The length of a terminal's control sequence at text, such as a color; 0 = there is none. */
static size_t exec_sequence(const char *text, const char *end)
{
	const char *at = text + 1;

	if (*text != '\033' || at == end)
		return 0;
	if (*at == ']') { /* until BEL or ESC \ */
		while (at < end && *at != '\a' && *at != '\033')
			at++;
		return (size_t)(at - text) + (at < end) + (end - at > 1 && *at == '\033');
	}
	if (*at == '[')
		for (at++; at < end && *at >= ' ' && *at < '@';)
			at++;
	return (size_t)(at - text) + (at < end);
}

/* The output as a terminal shows it at the end, owned by the caller: without control sequences, and
 * of a line that a progress bar wrote again and again the last state. */
static char *exec_shown(const struct exec_outcome *outcome, size_t *len)
{
	const char *from = outcome->tail, *end = outcome->tail + outcome->tail_len;
	char *shown = x_calloc(outcome->tail_len + 1, 1);
	size_t line = 0;
	bool again = false;

	*len = 0;
	while (from < end) {
		size_t skipped = exec_sequence(from, end);

		if (skipped == 0 && *from != '\r') {
			if (again && *from != '\n')
				*len = line;
			again = false;
			shown[(*len)++] = *from;
			if (*from == '\n')
				line = *len;
		} else if (skipped == 0) {
			again = true;
		}
		from += skipped ? skipped : 1;
	}
	return shown;
}

/* Adds the last lines that fit; a line of which only a part is available is left out. */
static void exec_add_tail(struct buf *out, const struct exec_outcome *outcome)
{
	size_t len;
	char *shown = exec_shown(outcome, &len);
	const char *end = shown + len, *from;
	unsigned lines = 0;

	while (end > shown && strchr("\n\t ", end[-1]))
		end--;
	from = end;
	while (from > shown && end - from < TEXT_BYTES) {
		lines += from[-1] == '\n';
		if (lines == TEXT_LINES)
			break;
		from--;
	}
	if (from > shown && lines < TEXT_LINES) { /* begins inside a line */
		const char *newline = memchr(from, '\n', (size_t)(end - from));

		from = newline ? newline + 1 : from;
		while (from < end && (*from & 0xC0) == 0x80) /* do not begin inside a character */
			from++;
	}
	if (from < end) {
		buf_add_str(out, from > shown || outcome->cut ? "\n…\n" : "\n");
		buf_add(out, from, (size_t)(end - from));
	}
	free(shown);
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

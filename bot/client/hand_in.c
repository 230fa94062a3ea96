/*
 * hand_in.c - see hand_in.h: one alert.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>
#include "bot/base/buf.h"
#include "bot/base/clock.h"
#include "bot/base/json_mend.h"
#include "bot/base/request.h"
#include "bot/base/text.h"
#include "bot/client/hand_in.h"
#include "bot/client/socket.h"
#include "bot/client/spool_write.h"

#define INPUT_MAX (1024 * 1024) /* bytes of a text from standard input that are used */

static bool is_heartbeat(const json_t *request)
{
	const char *op = json_string_value(json_object_get(request, "op"));

	return op && strcmp(op, "heartbeat") == 0;
}

void send_read_text(json_t *alert, int fd)
{
	json_t *notes = json_array();
	char chunk[4096];
	ssize_t count;
	struct buf raw;

	buf_init(&raw, INPUT_MAX);
	while ((count = read(fd, chunk, sizeof(chunk))) > 0 || (count == -1 && errno == EINTR))
		if (count > 0)
			buf_add(&raw, chunk, (size_t)count);
	buf_trim_lines(&raw);
	json_object_set_new(alert, "text", json_mend_string(buf_str(&raw), raw.len, notes, "text"));
	if (json_array_size(notes) > 0)
		json_array_extend(request_notes(alert), notes);
	json_decref(notes);
	buf_finish(&raw);
}

void send_prepare(json_t *alert)
{
	unsigned char random[16];
	char id[2 * sizeof(random) + 1];

	if (is_heartbeat(alert))
		return;
	json_object_set_new(alert, "op", json_string("alert"));
	if (json_object_get(alert, "id") && !json_is_null(json_object_get(alert, "id")))
		goto out;
	while (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		;
	text_hex(random, sizeof(random), id);
	json_object_set_new(alert, "id", json_string(id));
out:
	request_fit(alert);
}

bool send_is_on_its_way(const json_t *answer)
{
	const char *state = client_text(answer, "state");

	return strcmp(state, "silenced") != 0 && strcmp(state, "ignored") != 0;
}

enum send_result send_judge(const json_t *answer, bool *retry)
{
	*retry = json_is_true(json_object_get(answer, "retry"));
	return json_is_true(json_object_get(answer, "ok")) ? SEND_TAKEN : SEND_REFUSED;
}

enum send_result send_spool(const struct send *send, json_t *alert, json_t **answer)
{
	char name[SPOOL_NAME_MAX], at[32];
	struct fault fault;

	/* a heartbeat counts from when it was sent, even if it is spooled first */
	if (is_heartbeat(alert) && !json_object_get(alert, "at")) {
		clock_format_rfc3339(clock_now_ms(), at, sizeof(at));
		json_object_set_new(alert, "at", json_string(at));
	}

	if (!is_heartbeat(alert) && !request_has_app(alert)) {
		*answer = json_pack("{s:b, s:s, s:s, s:s}", "ok", 0, "error", "invalid", "field",
		        "app", "message", "app is missing");
		return SEND_REFUSED; /* not spooled, since nobody would see later what is wrong with
		                        it */
	}
	if (!send->spool)
		fault_set(&fault, ERR_CONFIG, "there is no spool folder");
	else if (spool_write(send->spool, alert, name, &fault) == OK) {
		*answer = json_pack("{s:b, s:s, s:O*}", "ok", 1, "state", "spooled", "id",
		        json_object_get(alert, "id"));
		return SEND_SPOOLED;
	}
	*answer = json_pack("{s:b, s:s, s:s}", "ok", 0, "error", "spool", "message", fault.text);
	return SEND_FAILED;
}

/* Waits until the alert is in the room; NULL when the connection was lost. */
static json_t *hand_in_wait_for(
        struct client *client, const struct send *send, const json_t *answer)
{
	json_t *waited = NULL;
	struct fault fault;
	json_t *request = json_pack("{s:s, s:O, s:I}", "op", "wait", "alert",
	        json_object_get(answer, "alert"), "timeout_ms", (json_int_t)send->timeout_ms);

	/* The daemon keeps the time; the margin is for its answer. */
	client_call(client, request, send->timeout_ms + 2000, &waited, &fault);
	json_decref(request);
	return waited;
}

enum send_result send_one(const struct send *send, json_t *alert, bool wait, json_t **answer,
        json_t **waited, struct fault *fault)
{
	struct client *client = NULL;
	enum send_result result = SEND_FAILED;
	bool retry = true;

	*answer = NULL;
	*waited = NULL;
	enum err err = client_open(&client, send->socket, send->timeout_ms, fault);
	if (err == OK)
		err = client_call(client, alert, send->timeout_ms, answer, fault);
	if (err == OK)
		result = send_judge(*answer, &retry);
	if (result == SEND_TAKEN) {
		if (wait && send_is_on_its_way(*answer))
			*waited = hand_in_wait_for(client, send, *answer);
	} else if (retry) {
		json_decref(*answer);
		result = send_spool(send, alert, answer);
		if (result == SEND_FAILED && err != OK)
			fault_wrap(fault, "not spooled either");
	}
	client_close(client);
	return result;
}

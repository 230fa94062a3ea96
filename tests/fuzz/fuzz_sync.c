/*
 * fuzz_sync.c - an answer of the homeserver as bytes: parsed under limits, and what /sync tells of
 * rooms, members and power levels looked at.
 */
#include <stdlib.h>
#include <string.h>
#include <uv.h>
#include "bot/base/log.h"
#include "bot/matrix/answer.h"
#include "bot/matrix/members.h"
#include "bot/matrix/power.h"
#include "bot/matrix/rooms.h"
#include "tests/fuzz/fuzz.h"

static uv_loop_t loop;
static struct http *http;
static struct mx *mx;

static void on_closed(void *arg)
{
	*(bool *)arg = true;
}

static void prepare(void)
{
	struct http_options options = {.proxy = ""};

	if (mx)
		return;
	log_setup(LOG_ERROR, LOG_TEXT);
	if (uv_loop_init(&loop) != 0 || http_create(&http, &loop, &options) != OK)
		abort();
	mx = mx_create(http, "http://127.0.0.1:1", NULL);
}

static void look_at_rooms(const json_t *sync)
{
	struct rooms_events events = {0};
	struct rooms *rooms = rooms_create(&loop, mx, "@bot:x", &events);
	bool closed = false;

	rooms_remember_encrypted(rooms, "!r:x", "#r:x");
	rooms_take_sync(rooms, sync, true);
	rooms_take_sync(rooms, sync, true);
	rooms_close(rooms, on_closed, &closed);
	while (!closed)
		uv_run(&loop, UV_RUN_NOWAIT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_result result = {.code = OK, .status = 200, .retry_after_ms = -1};
	struct mx_answer answer;
	json_t *body;

	prepare();
	result.body = (const char *)data;
	result.body_len = size;
	body = answer_read(&answer, &result);
	if (body) {
		look_at_rooms(body);
		if (power_of(body, body, "@op:x") == POWER_CREATOR &&
		        !power_is_creator(body, "@op:x"))
			abort();
	}
	json_decref(body);
	return 0;
}

/*
 * handlers_fixture.h - a config with two rooms, and a world of simulated time in which alerts are
 * taken in and events leave, over a real store in a folder of its own. Include after cmocka.h.
 */
#pragma once

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "bot/base/alloc.h"
#include "bot/config/config.h"
#include "handlers/alerts/deliver.h"
#include "storage/silences.h"

#define WORLD_EVENTS_MAX 2048

struct world_event {
	char txn_id[64];
	char what[16];
	char *content;
	int64_t at_ms;
};

struct world {
	char folder[64];
	struct config *config;
	struct store *store;
	int64_t now_ms, due_ms;
	const char *room; /* what is sent there; NULL = ops */
	bool down;        /* the homeserver: nothing is chosen */
	bool is_short;    /* it takes one event only */
	struct world_event events[WORLD_EVENTS_MAX];
	size_t len;
};

static inline struct config *fixture_config(const char *more)
{
	char *text = x_asprintf("[matrix]\nhomeserver = https://x\nuser = @bot:x\n[rooms]\n"
	                        "ops = #ops:x\ndev = #dev:x\n[app data_factory]\n"
	                        "dashboard = https://dash/runs/{run_id}\n%s",
	        more);
	struct config *config;
	struct buf report;

	buf_init(&report, 65536);
	if (config_parse(text, "/tmp/bot.conf", &config, &report) != OK)
		fail_msg("%s", buf_str(&report));
	buf_finish(&report);
	free(text);
	return config;
}

static inline struct world *world_create(const char *more)
{
	struct world *w = x_calloc(1, sizeof(*w));
	struct fault fault = {0};
	char *path;

	strcpy(w->folder, "/tmp/mtb-unit-XXXXXX");
	assert_non_null(mkdtemp(w->folder));
	path = x_asprintf("%s/operations.db", w->folder);
	w->config = fixture_config(more);
	if (store_open(&w->store, path, &fault) != OK)
		fail_msg("%s", fault.text);
	free(path);
	w->now_ms = INT64_C(1790000000000);
	return w;
}

static inline void world_destroy(struct world *w)
{
	static const char *const names[] = {
	        "operations.db", "operations.db-wal", "operations.db-shm", "operations.db.lock"};

	store_close(w->store);
	config_unref(w->config);
	for (size_t i = 0; i < w->len; i++)
		free(w->events[i].content);
	for (size_t i = 0; i < 4; i++) {
		char *path = x_asprintf("%s/%s", w->folder, names[i]);

		unlink(path);
		free(path);
	}
	rmdir(w->folder);
	free(w);
}

static inline const char *world_alert(struct world *w, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

/* Hands in a request and returns the state of its receipt. */
static inline const char *world_alert(struct world *w, const char *format, ...)
{
	struct deliver d = {.store = w->store, .config = w->config, .now_ms = w->now_ms};
	struct deliver_receipt receipt;
	struct alert_fault fault;
	struct alert *alert;
	json_t *request;
	char *text;
	va_list args;

	va_start(args, format);
	assert_true(vasprintf(&text, format, args) > 0);
	va_end(args);
	request = json_loads(text, 0, NULL);
	assert_non_null(request);
	assert_int_equal(alert_parse(request, w->config, w->now_ms, &alert, &fault), OK);
	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(deliver_accept(&d, alert, &receipt), OK);
	assert_int_equal(store_commit(w->store), OK);
	alert_destroy(alert);
	json_decref(request);
	free(text);
	return receipt.state;
}

/* A silence that is there already; start_ms 0 = it holds from now on. Returns its id. */
static inline int64_t world_silence(
        struct world *w, const char *matchers, int64_t start_ms, int64_t end_ms)
{
	struct silence_row row = {
	        .at_ms = w->now_ms,
	        .start_ms = start_ms,
	        .end_ms = end_ms,
	        .author = x_strdup("me"),
	        .matchers = x_strdup(matchers),
	        .reason = x_strdup(""),
	};
	int64_t id;

	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(silences_insert(w->store, &row), OK);
	assert_int_equal(store_commit(w->store), OK);
	id = row.id;
	silence_row_finish(&row);
	return id;
}

/* How many alerts it held back. */
static inline int64_t world_held(struct world *w, int64_t id)
{
	struct silence_row row = {0};
	int64_t held;

	assert_int_equal(silences_by_id(w->store, id, &row), OK);
	held = row.held;
	silence_row_finish(&row);
	return held;
}

/* Chooses for the room; the event is the caller's. False: nothing to send. */
static inline bool world_next(struct world *w, struct deliver_event *event)
{
	struct deliver d = {.store = w->store,
	        .config = w->config,
	        .now_ms = w->now_ms,
	        .is_short = w->is_short};
	struct deliver_room room = {.name = w->room ? w->room : "ops",
	        .room_id = w->room ? "!other:x" : "!ops:x",
	        .device_id = "DEV"};

	do {
		memset(event, 0, sizeof(*event));
		assert_int_equal(store_begin(w->store), OK);
		assert_int_equal(deliver_next(&d, &room, w->down ? 0 : 1, event, &w->due_ms), OK);
		assert_int_equal(store_commit(w->store), OK);
	} while (event->again);
	return event->outbox_id != 0;
}

static inline void world_finish(
        struct world *w, const struct deliver_event *event, enum deliver_outcome outcome)
{
	struct deliver d = {.store = w->store, .config = w->config, .now_ms = w->now_ms};
	char event_id[64];
	struct deliver_result result = {
	        .outbox_id = event->outbox_id,
	        .room = w->room ? w->room : "ops",
	        .room_id = w->room ? "!other:x" : "!ops:x",
	        .device_id = "DEV",
	        .outcome = outcome,
	        .what = event->what,
	        .event_id = outcome == DELIVER_SENT ? event_id : NULL,
	        .started_ms = w->now_ms,
	        .code = outcome == DELIVER_SENT ? OK : ERR_DENIED,
	        .error = outcome == DELIVER_SENT ? NULL : "refused",
	};

	snprintf(event_id, sizeof(event_id), "$%lld", (long long)event->outbox_id);
	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(deliver_finish(&d, &result), OK);
	assert_int_equal(store_commit(w->store), OK);
	if (outcome != DELIVER_SENT)
		return;
	assert_true(w->len < WORLD_EVENTS_MAX);
	snprintf(w->events[w->len].txn_id, 64, "%s", event->txn_id);
	snprintf(w->events[w->len].what, 16, "%s", event->what);
	w->events[w->len].content = x_strdup(event->content);
	w->events[w->len++].at_ms = w->now_ms;
}

/* Sends all that can be sent now. */
static inline void world_send(struct world *w)
{
	struct deliver_event event;

	while (world_next(w, &event)) {
		world_finish(w, &event, DELIVER_SENT);
		deliver_event_finish(&event);
	}
}

/* Time goes on in steps of a tenth of a second, sending what is due. */
static inline void world_pass(struct world *w, int64_t ms)
{
	int64_t end_ms = w->now_ms + ms;

	for (; w->now_ms < end_ms; w->now_ms += 100)
		world_send(w);
}

static inline size_t world_count(const struct world *w, const char *what)
{
	size_t count = 0;

	for (size_t i = 0; i < w->len; i++)
		count += strcmp(w->events[i].what, what) == 0;
	return count;
}

/* The text of the last event, as it stands in the room after it; owned by the caller. */
static inline char *world_body(const struct world *w, size_t index)
{
	json_t *content = json_loads(w->events[index].content, 0, NULL);
	const json_t *fresh = json_object_get(content, "m.new_content");
	char *body = x_strdup(json_string_value(json_object_get(fresh ? fresh : content, "body")));

	json_decref(content);
	return body;
}

/*
 * heartbeat_fixture.h - processes of the daemon over a world's store, in simulated time, looking
 * at heartbeats. Include after cmocka.h.
 */
#pragma once

#include "bot/base/clock.h"
#include "bot/base/zone.h"
#include "handlers/heartbeats/app_heartbeat.h"
#include "handlers/heartbeats/heartbeat.h"
#include "tests/unit/handlers_fixture.h"

#define TICK_MS (5 * CLOCK_SECOND_MS)

/* One process of the daemon over the world's store. */
struct daemon {
	struct world *world;
	struct heartbeat_memory memory;
	int64_t started_ms;
	unsigned told, pinged;
	char last_told[2048];
	json_t *happened;
	unsigned spool_bad;
};

static inline int64_t at(const char *rfc3339)
{
	int64_t ms;

	assert_true(clock_parse_rfc3339(rfc3339, &ms));
	return ms;
}

static inline void daemon_start(struct daemon *daemon, struct world *w)
{
	memset(daemon, 0, sizeof(*daemon));
	daemon->world = w;
	daemon->started_ms = w->now_ms;
	daemon->happened = json_array();
	zone_use(w->config->heartbeat.timezone);
}

static inline void daemon_end(struct daemon *daemon)
{
	json_decref(daemon->happened);
	daemon->happened = NULL;
}

static inline void look(struct daemon *daemon)
{
	struct world *w = daemon->world;
	struct deliver d = {.store = w->store, .config = w->config, .now_ms = w->now_ms};
	struct report_room rooms[] = {{.name = "ops", .address = "#ops:x", .problem = "gone away"}};
	struct report_status status = {
	        .started_ms = daemon->started_ms,
	        .version = "1.2.3",
	        .problem = w->down ? "connection refused" : "",
	        .rooms = rooms,
	        .rooms_len = w->down ? 1 : 0,
	        .spool_bad = daemon->spool_bad,
	};
	struct heartbeat_result result = {.happened = daemon->happened};

	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(heartbeat_look(&d, &status, &daemon->memory, &result), OK);
	assert_int_equal(app_heartbeat_look(&d, result.leapt, daemon->happened), OK);
	assert_int_equal(store_commit(w->store), OK);
	daemon->memory = result.memory;
	daemon->pinged += result.ping;
	if (result.tell) {
		daemon->told++;
		snprintf(daemon->last_told, sizeof(daemon->last_told), "%s", result.tell);
	}
	heartbeat_result_finish(&result);
}

/* Looks and sends until then. */
static inline void run_until(struct daemon *daemon, int64_t end_ms)
{
	for (; daemon->world->now_ms < end_ms; daemon->world->now_ms += TICK_MS) {
		look(daemon);
		world_send(daemon->world);
	}
}

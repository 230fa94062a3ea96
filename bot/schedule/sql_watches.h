/*
 * sql_watches.h - runs the SQL watches: [watch NAME] and those of [call_monitor].
 *
 * Happy path: a timer fires when the first watch is due (handlers/watches/sql_watch.h); its query
 * runs on libuv's pool, a writer job turns the result into ordinary alerts, and the courier is
 * poked. Only one query runs at a time over all watches, so that slow ones do not occupy the pool.
 * Failures: a failed query raises an alert of the bot's own and is shown by `status`; one that
 * exceeds its time limit is interrupted; a result that comes after a reload or while closing is
 * dropped.
 */
#pragma once

#include <uv.h>
#include "bot/config/config.h"
#include "bot/delivery/courier.h"
#include "bot/loop/happened.h"
#include "bot/loop/writer.h"
#include "handlers/commands/report.h"

struct sql_watches;

struct sql_watches_env {
	uv_loop_t *loop;
	struct writer *writer;
	struct courier *courier; /* borrowed, like the writer */
	/* Something happened that subscribers are notified of; takes the reference. */
	happened_fn on_happened;
	void *arg;
};

/* The config is referenced. */
struct sql_watches *sql_watches_create(const struct sql_watches_env *env, struct config *config);
/* Takes over a reloaded config: adds, changes and removes watches. */
void sql_watches_configure(struct sql_watches *watches, struct config *config);

/* For `status`: an array that the caller frees; strings are valid until the loop's next event. */
struct report_watch *sql_watches_report(const struct sql_watches *watches, size_t *len);

/* The courier must still be open. Calls closed(arg) once and frees. */
void sql_watches_close(struct sql_watches *watches, void (*closed)(void *arg), void *arg);

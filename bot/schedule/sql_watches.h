/*
 * sql_watches.h - runs the SQL watches: [watch NAME] and those of [call_monitor].
 *
 * Happy path: a timer fires when the first watch is due (handlers/watches/sql_watch.h); its query
 * runs on libuv's pool, its result goes into a writer job that makes ordinary alerts of it, and the
 * courier is told. One query at a time over all watches, so that slow ones leave the pool to
 * others. Failures: a query that fails is an alert of the bot's own and shown by
 * `status`; one that does not end is interrupted; what a reload or the end overtakes is dropped.
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
	struct courier *courier; /* borrowed, as the writer */
	/* What subscribers are told; takes the reference. */
	happened_fn on_happened;
	void *arg;
};

/* The config is referenced. */
struct sql_watches *sql_watches_create(const struct sql_watches_env *env, struct config *config);
/* Takes over a reloaded config: watches appear, change and go. */
void sql_watches_configure(struct sql_watches *watches, struct config *config);

/* For `status`: an array that the caller frees; strings are good until the loop's next event. */
struct report_watch *sql_watches_report(const struct sql_watches *watches, size_t *len);

/* The courier must be open still. Calls closed(arg) once and frees. */
void sql_watches_close(struct sql_watches *watches, void (*closed)(void *arg), void *arg);

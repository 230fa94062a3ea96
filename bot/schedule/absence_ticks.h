/*
 * absence_ticks.h - the watcher's looks at the clock: whether the heartbeat that it watches for is
 * there in time (handlers/heartbeats/absence.h).
 *
 * Happy path: after each stored answer of /sync, and every few seconds, a writer job decides what
 * is to be told. What goes into rooms leaves by the courier, what goes elsewhere by the channels of
 * [meta]; that it was told is stored only then, so that after a crash it is told again.
 */
#pragma once

#include <uv.h>
#include "bot/config/config.h"
#include "bot/delivery/courier.h"
#include "bot/link/link.h"
#include "bot/loop/writer.h"
#include "bot/meta/meta.h"

struct absence_ticks;

/* All borrowed; they must outlive it. */
struct absence_ticks_env {
	uv_loop_t *loop;
	struct writer *writer;
	struct courier *courier;
	struct link *link;
	struct meta *meta;
};

/* The config is referenced. */
struct absence_ticks *absence_ticks_create(
        const struct absence_ticks_env *env, struct config *config);
void absence_ticks_configure(struct absence_ticks *ticks, struct config *config);
/* What an answer of /sync told is stored; first: as of struct sync_events. */
void absence_ticks_stored(struct absence_ticks *ticks, bool first);
/* Calls closed(arg) once, when no job is under way, and frees. */
void absence_ticks_close(struct absence_ticks *ticks, void (*closed)(void *arg), void *arg);

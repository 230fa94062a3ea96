/*
 * absence_ticks.h - the watcher's periodic check that the expected heartbeat arrived in time
 * (handlers/heartbeats/absence.h).
 *
 * Happy path: after each stored answer of /sync, and every few seconds, a writer job decides what
 * to report. Messages for rooms are sent by the courier, others by the channels of [meta]; that a
 * report was made is stored only afterwards, so that it is repeated after a crash.
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
/* Call when the results of a /sync answer are stored; first: see struct sync_events. */
void absence_ticks_stored(struct absence_ticks *ticks, bool first);
/* Calls closed(arg) once, when no job is in progress, and frees. */
void absence_ticks_close(struct absence_ticks *ticks, void (*closed)(void *arg), void *arg);

/*
 * sync.h - the /sync long-poll, with a stored filter and a stored `since`.
 *
 * The first /sync of an account without a stored `since` runs with timeout=0 and a filter of its
 * own (timeline limit 1, a nonce in the definition), because Synapse answers a repeated first /sync
 * from a cache with an old next_batch; commands in its timeline are never carried out. After each
 * answer on_batch() is called; the next poll starts when the owner calls sync_next(), which it does
 * once the results are stored together with next_batch. Errors are retried with capped exponential
 * backoff and jitter, for ever; a poll without an answer ends by its time-out. After a refused
 * token it waits for sync_wake(). A `since` that the server no longer knows is dropped, so that the
 * next batch is a first one.
 *
 * An answer over the client's size limit, or a first one that the server cannot produce in time,
 * is requested again with less in it: first with one event per room and little state, then without
 * rooms. In that case on_batch() gets blind true, and the owner fetches its rooms one by one. The
 * next poll is complete again.
 */
#pragma once

#include "bot/matrix/client.h"

struct sync;

struct sync_events {
	/* first: there was no `since`, so its events are old. blind: it has no rooms. `answer` is
	 * valid during the call. */
	void (*on_batch)(
	        const json_t *answer, const char *next_batch, bool first, bool blind, void *arg);
	/* The server became (un)reachable for /sync; called at the first result and at changes. */
	void (*on_state)(bool up, const char *error, void *arg);
	void *arg;
};

/* user_id for the filter's path; since NULL = first. */
struct sync *sync_create(
        uv_loop_t *loop, struct mx *mx, const char *user_id, const struct sync_events *events);
void sync_start(struct sync *sync, const char *since);
/* Continues after on_batch(); may be called from within it. changed false: the answer had nothing
 * but the bot's own messages and what people say to each other. While there are many, each poll
 * would return at once with such an answer and cost the homeserver about a fifth of what the
 * message costs, so such polls are ECHO_MS apart, then more, at most ECHO_MAX_MS, by which an
 * operator's command may be read later; the first two, between which the messages that waited go
 * out, are ECHO_MS apart. */
void sync_next(struct sync *sync, bool changed);
/* Call after mx_set_token(): continues at once. */
void sync_wake(struct sync *sync);
/* When the last successful answer came, realtime in ms; 0 = never. */
int64_t sync_last_ms(const struct sync *sync);
void sync_close(struct sync *sync, void (*closed)(void *arg), void *arg);

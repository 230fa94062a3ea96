/*
 * sync.h - the /sync long-poll, with a stored filter and a stored `since`.
 *
 * The first /sync of an account without a stored `since` runs with timeout=0 and a filter of its
 * own (timeline limit 1, a nonce in the definition), because Synapse answers a repeated first
 * /sync from a cache with an old next_batch; its timeline is never acted upon. After each answer
 * on_batch() is called; the next poll starts when the owner calls sync_next() (once what the
 * batch did is stored together with next_batch). Errors are retried with capped exponential
 * backoff and jitter, for ever; a poll that never answers ends by its time-out. When the token
 * was refused it waits for sync_wake(). A `since` that the server does not know any more is
 * dropped: the next batch is a first one.
 *
 * An answer that is over the client's limit, or a first one that the server cannot make in time, is
 * asked for again with less in it: first with one event a room and little state, then without any
 * room; on_batch() is told so, and the owner asks for its rooms one by one. The next poll is whole
 * again.
 */
#pragma once

#include "bot/matrix/client.h"

struct sync;

struct sync_events {
	/* first: there was no `since`, what is in it is old. blind: rooms are left out of it.
	 * `answer` is good for the call. */
	void (*on_batch)(
	        const json_t *answer, const char *next_batch, bool first, bool blind, void *arg);
	/* The server became (un)reachable for /sync; told at the first result and at changes. */
	void (*on_state)(bool up, const char *error, void *arg);
	void *arg;
};

/* user_id for the filter's path; since NULL = first. */
struct sync *sync_create(
        uv_loop_t *loop, struct mx *mx, const char *user_id, const struct sync_events *events);
void sync_start(struct sync *sync, const char *since);
/* Goes on after on_batch(); may be called from within it. changed false: there was nothing in it
 * but what the bot sent itself. While it sends much, each poll would be answered at once with that,
 * and cost the homeserver about a fifth of what the message does: such polls come ECHO_MS apart. */
void sync_next(struct sync *sync, bool changed);
/* After mx_set_token(): goes on at once. */
void sync_wake(struct sync *sync);
/* When the last good answer came, ms; 0 = never. */
int64_t sync_last_ms(const struct sync *sync);
void sync_close(struct sync *sync, void (*closed)(void *arg), void *arg);

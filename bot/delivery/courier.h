/*
 * courier.h - carries events from the outbox to the homeserver: one at a time for each room, in
 * order, until each is confirmed or found undeliverable.
 *
 * Happy path: courier_poke() puts a tail job into the writer's batch, which chooses and freezes
 * the next event of every idle room (handlers/alerts/deliver.h) in the same transaction as the
 * alerts that caused it; when that is durable the event is sent; its answer is written down by
 * another job, and the room is idle again. Failures: a temporary one keeps the room busy until its
 * backoff is over, then the same frozen event is tried again; a refusal for good makes it
 * undeliverable; a refused token stops all sending until courier_set_online(true). When the
 * homeserver limits the rate (429), nothing leaves before it allows, then one event at a time for
 * all rooms, which says all that waits in its room (handlers/alerts/pace.h). An event whose fate is
 * unknown for too long is first looked for in the room (bot/matrix/find.h).
 */
#pragma once

#include <uv.h>
#include "bot/base/histogram.h"
#include "bot/config/config.h"
#include "bot/matrix/client.h"
#include "bot/matrix/members.h"
#include "bot/matrix/rooms.h"
#include "bot/delivery/calls_mirror.h"
#include "bot/loop/writer.h"
#include "handlers/alerts/deliver.h"

struct courier;

/* Who may read an encrypted room, and what it is encrypted with. */
struct courier_cipher {
	const struct deliver_cipher *cipher;
	/* The users of the room, NULL while they are not known. */
	struct member_list *(*members)(const char *room_id, void *arg);
	/* A room waits for keys: what the cipher asked for is to be sent. */
	void (*on_waits)(void *arg);
	/* An encrypted event leaves: there may be more to send with it, which nothing waits for. */
	void (*on_leaves)(void *arg);
	void *arg;
};

struct courier_events {
	/* An event was confirmed, found undeliverable, or failed for now; for waiters and
	 * subscribers. Strings are good for the call; event_id is NULL unless confirmed. */
	void (*on_result)(const char *what, const char *room, int64_t outbox_id,
	        const char *event_id, enum err code, const char *error, void *arg);
	void *arg;
};

struct courier_counters {
	uint64_t sent, retried, undeliverable;
	uint64_t results[ERR_COUNT]; /* of tries */
	uint64_t encrypted;          /* of those sent */
	uint64_t limited_ms;         /* that rate limits asked to wait */
	struct histogram delivery;   /* from an alert's coming to its event being confirmed */
	unsigned in_flight;
};

/* writer is borrowed; the config is referenced. Nothing is sent before courier_set_online(). */
struct courier *courier_create(uv_loop_t *loop, struct writer *writer, struct config *config,
        const struct courier_events *events);
/* Copied; what is in it must outlive the courier. Without one encrypted rooms wait. */
void courier_set_cipher(struct courier *courier, const struct courier_cipher *cipher);
/* Takes over a reloaded config. */
void courier_configure(struct courier *courier, struct config *config);
/* The copy of the calls in another database; NULL = none. Borrowed. */
void courier_set_mirror(struct courier *courier, struct mirror *mirror);
/* mx and rooms are borrowed until courier_set_offline() or the stop is over. */
void courier_set_online(struct courier *courier, struct mx *mx, struct rooms *rooms,
        const char *user_id, const char *device_id);
void courier_set_offline(struct courier *courier);

/* Something may be waiting: looks at the end of the writer's current batch. */
void courier_poke(struct courier *courier);
/* The homeserver answers again: ends the backoffs that were due to its absence. */
void courier_server_up(struct courier *courier);

/* Why the homeserver takes nothing from this account for now; "" = it does. Borrowed. */
const char *courier_held(const struct courier *courier);
/* That the homeserver limits the rate of this account and how to lift that; "" when it did not in
 * the last hour. Good until the next call. */
const char *courier_limit(struct courier *courier);
struct courier_counters courier_counters(const struct courier *courier);

/* Starts nothing new, waits for what is in flight (grace_ms at most, then cancels: the outbox
 * keeps it), then calls stopped(arg) once. From then on it is deaf, and may still be called. */
void courier_stop(struct courier *courier, int64_t grace_ms, void (*stopped)(void *arg), void *arg);
/* Once it is stopped, or was never online: calls closed(arg) once and frees. */
void courier_close(struct courier *courier, void (*closed)(void *arg), void *arg);

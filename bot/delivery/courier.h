/*
 * courier.h - carries events from the outbox to the homeserver: one at a time for each room, in
 * order, until each is confirmed or found undeliverable.
 *
 * Happy path: courier_poke() puts a tail job into the writer's batch, which chooses and freezes the
 * next event of every idle room (handlers/alerts/deliver.h) in the same transaction as the alerts
 * that caused it; once that is durable, the event is sent; when it is accepted, the room is idle
 * again, and another job stores the result: before whatever is stored next, which includes the next
 * choice. Failures: after a temporary one the room waits for its backoff, then the same
 * frozen event is sent again; after a permanent refusal the event is undeliverable; a refused token
 * stops all sending until courier_set_online(). When the homeserver limits the rate (429), which
 * counts for all rooms once two were refused, nothing is sent before it allows that; then one event
 * at a time is sent over all rooms, each combining what waits in its room (handlers/alerts/pace.h);
 * one that has no answer for two seconds holds up the others no longer. An event that may have been
 * accepted, but whose result is unknown for too long, is first looked for in the room
 * (bot/matrix/find.h).
 *
 * The rooms are a list: a choice and a result cost a walk over them, and a lookup for each idle
 * one.
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

/* The members of encrypted rooms, and the encryption of events. */
struct courier_cipher {
	const struct deliver_cipher *cipher;
	/* The members of the room, NULL while they are not known. Borrowed. */
	struct member_list *(*members)(const char *room_id, void *arg);
	/* A room waits for keys, so send the requests of the encryption. */
	void (*on_waits)(void *arg);
	/* An encrypted event is being sent; there may be requests of the encryption to send as
	 * well, for which nothing waits. */
	void (*on_leaves)(void *arg);
	void *arg;
};

struct courier_events {
	/* An event was confirmed, found undeliverable, or failed temporarily; for waiters and
	 * subscribers. Strings are valid during the call; event_id is NULL unless confirmed. */
	void (*on_result)(const char *what, const char *room, int64_t outbox_id,
	        const char *event_id, enum err code, const char *error, void *arg);
	/* Whether somebody waits for results, which are then stored at once. NULL = nobody ever. */
	bool (*is_awaited)(void *arg);
	/* The homeserver accepted nothing from this account, and does again. NULL = no matter. */
	void (*on_released)(void *arg);
	void *arg;
};

struct courier_counters {
	uint64_t sent, retried, undeliverable;
	uint64_t results[ERR_COUNT]; /* number of tries by result */
	uint64_t encrypted;          /* encrypted events sent */
	uint64_t limited_ms;         /* total wait that rate limits demanded */
	struct histogram delivery;   /* from an alert's arrival to its event's confirmation */
	unsigned in_flight;
};

/* writer is borrowed; the config is referenced. Nothing is sent before courier_set_online(). */
struct courier *courier_create(uv_loop_t *loop, struct writer *writer, struct config *config,
        const struct courier_events *events);
/* Copied; what it points to must outlive the courier. Without it encrypted rooms are on hold. */
void courier_set_cipher(struct courier *courier, const struct courier_cipher *cipher);
/* Takes over a reloaded config. */
void courier_configure(struct courier *courier, struct config *config);
/* Sets the copy of the calls table in another database; NULL = none. Borrowed. */
void courier_set_mirror(struct courier *courier, struct mirror *mirror);
/* mx and rooms are borrowed until courier_set_offline() or the end of the stop. */
void courier_set_online(struct courier *courier, struct mx *mx, struct rooms *rooms,
        const char *user_id, const char *device_id);
void courier_set_offline(struct courier *courier);

/* Call when there may be something to send: chooses events at the end of the writer's current
 * batch. */
void courier_poke(struct courier *courier);
/* Call when the homeserver answers again: ends the backoffs due to its being unreachable. */
void courier_server_up(struct courier *courier);

/* Why the homeserver accepts nothing from this account for now; "" = it does. Borrowed. */
const char *courier_held(const struct courier *courier);
/* Why the last try of an event failed that is being retried; "" = there is none. Borrowed. */
const char *courier_retrying(const struct courier *courier);
/* A text for people: that the homeserver limits this account's rate and how to lift the limit; ""
 * when sends need not wait for it. Valid until the next call. */
const char *courier_limit(struct courier *courier);
struct courier_counters courier_counters(const struct courier *courier);

/* Sends nothing new and waits for what is in flight, for grace_ms at most; then cancels it, as the
 * outbox keeps it. Calls stopped(arg) once. Later calls are allowed and do nothing. */
void courier_stop(struct courier *courier, int64_t grace_ms, void (*stopped)(void *arg), void *arg);
/* Call once the courier has stopped or was never online: calls closed(arg) once and frees. */
void courier_close(struct courier *courier, void (*closed)(void *arg), void *arg);

/*
 * timeline.h - what people write in the configured rooms, carried from /sync to the handlers,
 * each event once and in order.
 *
 * Happy path: timeline_take() keeps a /sync answer; what a limited timeline left out is fetched
 * page by page back to where the sync before ended, and a room's power levels the first time
 * they are wanted (afterwards /sync tells their changes); then one writer job handles all events
 * in order and stores `sync.since` in the same transaction, so that each command is carried out
 * once, whenever the process dies; on_stored() says that the sync may go on. An answer that is
 * nothing to anybody, as the echo of the bot's own messages is, costs no job; its position is
 * stored with the next that does, or the first after ten seconds. In that job, what concerns
 * encryption is taken in first, and encrypted events are opened; one whose key is not here yet is
 * kept and tried again when keys come, and if it stays so for a minute the room is told. Failures:
 * a request that fails is tried again with backoff; what cannot be had (forbidden, or the
 * homeserver fails at it again and again) is given up with a warning. A job that fails is tried
 * again; when that is no use, only the position is stored, with an error in the log.
 *
 * Ownership: a batch holds the answer's reference. It belongs to the loop, from writer_submit()
 * until the job's done() to the writer's thread, then to the loop again; never to both.
 */
#pragma once

#include <uv.h>
#include "bot/config/config.h"
#include "bot/delivery/courier.h"
#include "bot/matrix/rooms.h"
#include "bot/vault/vault.h"
#include "bot/loop/happened.h"
#include "bot/loop/writer.h"
#include "handlers/commands/commands.h"

struct timeline;

struct timeline_events {
	/* What was done is stored: the sync may go on. changed false: there was nothing to do. */
	void (*on_stored)(bool changed, void *arg);
	/* Something that subscribers are told; the callee owns the reference. May be NULL. */
	happened_fn on_happened;
	/* Fills in what the loop knows, as of struct ops_env. */
	void (*on_status)(struct report_status *status, void *arg);
	void *arg;
};

/* Who the events are for: in the writer's job, each event once. */
typedef enum err (*timeline_event_fn)(
        const struct command_env *env, const struct room_event *event);

struct timeline_options {
	uv_loop_t *loop;
	struct writer *writer;
	struct courier *courier;
	struct mx *mx;
	struct rooms *rooms;
	struct vault_core *core;
	timeline_event_fn on_event; /* NULL = commands_event(), and people are answered */
};

/* What is in options is borrowed and must outlive it; the config is referenced. */
struct timeline *timeline_create(const struct timeline_options *options, struct config *config,
        const struct timeline_events *events);
void timeline_configure(struct timeline *timeline, struct config *config);

/*
 * One answer of /sync; the next only after on_stored(). since: the position it was asked from
 * (NULL = first: what is in it is old and not acted upon). blind: the rooms are left out of it and
 * are asked for one by one. The answer's reference is shared with the caller, who gives up its own
 * before the loop turns.
 */
void timeline_take(struct timeline *timeline, json_t *answer, const char *since,
        const char *next_batch, bool blind);

/* What could not be decrypted may be by now: keys or lists of devices came. */
void timeline_retry(struct timeline *timeline);

/* Cancels requests, waits for a job; then calls closed(arg) once and frees. */
void timeline_close(struct timeline *timeline, void (*closed)(void *arg), void *arg);

/*
 * timeline.h - passes the events in the configured rooms from /sync to the handlers, each event
 * once and in order.
 *
 * Happy path: timeline_take() is given a /sync answer. The events that a limited timeline left out
 * are fetched page by page back to the end of the previous sync, and a room's power levels the
 * first time they are needed (later changes come by /sync). Then one writer job handles all events
 * in order and stores `sync.since` in the same transaction, so that each command is carried out
 * exactly once, whenever the process dies; on_stored() lets the sync continue. An answer without
 * anything to handle, such as the echo of the bot's own messages or what people say to each other,
 * costs no job; its position is stored with the next job, or after ten seconds. The job first
 * processes the encryption data and decrypts events; one whose key has not arrived is stored and
 * tried again when keys arrive. After a minute without the key, the bot says so in the room.
 * Failures: a failed request is retried with backoff; what cannot be fetched (forbidden, or
 * repeated errors of the homeserver) is skipped with a warning. A failed job is retried; if it
 * keeps failing, only the position is stored, with an error in the log.
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
	/* The results are stored, so the sync may continue. changed false: there was nothing to
	 * do. */
	void (*on_stored)(bool changed, void *arg);
	/* Something happened that subscribers are notified of; the callee owns the reference. May
	 * be NULL. */
	happened_fn on_happened;
	/* Fills in what the loop knows, see struct ops_env. */
	void (*on_status)(struct report_status *status, void *arg);
	void *arg;
};

/* Handles one event; called inside the writer job, once for each event. */
typedef enum err (*timeline_event_fn)(
        const struct command_env *env, const struct room_event *event);

struct timeline_options {
	uv_loop_t *loop;
	struct writer *writer;
	struct courier *courier;
	struct mx *mx;
	struct rooms *rooms;
	struct vault_core *core;
	timeline_event_fn on_event; /* NULL = commands_event(), and users get replies */
};

/* The members of options are borrowed and must outlive the timeline; the config is referenced. */
struct timeline *timeline_create(const struct timeline_options *options, struct config *config,
        const struct timeline_events *events);
void timeline_configure(struct timeline *timeline, struct config *config);

/*
 * Takes one /sync answer; call it again only after on_stored(). since: the position it was
 * requested from (NULL = first: its events are old and not handled). blind: it has no rooms, so
 * their events are fetched one room after the other. The answer's reference is shared with the
 * caller, who gives up its own before the loop turns.
 */
void timeline_take(struct timeline *timeline, json_t *answer, const char *since,
        const char *next_batch, bool blind);

/* Call when room keys or device lists arrived: tries again what could not be decrypted. */
void timeline_retry(struct timeline *timeline);

/* Cancels requests, waits for a job; then calls closed(arg) once and frees. */
void timeline_close(struct timeline *timeline, void (*closed)(void *arg), void *arg);

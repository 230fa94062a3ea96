/*
 * link.h - the way to the homeserver: discovery, token, rooms, sync; and the courier's fuel.
 *
 * Happy path: discovery finds the base URL; auth brings a token and says which user and device
 * it is; the stored device id is compared (or stored, the first time); rooms are resolved and
 * the /sync loop starts from the stored `since`; the courier goes online.
 * Failures: discovery is tried again with backoff; a refused token takes the courier offline
 * until auth has another; a device that is not the stored one ends the daemon, since another
 * device's transaction ids and keys would be mixed with ours.
 */
#pragma once

#include <uv.h>
#include "bot/config/config.h"
#include "bot/delivery/courier.h"
#include "bot/timeline/timeline.h"
#include "bot/vault/vault.h"
#include "bot/loop/writer.h"
#include "handlers/commands/report.h"

struct link;

struct link_events {
	/* The daemon must stop; message says why and what to do. Called at most once. */
	void (*on_fatal)(const char *message, void *arg);
	/* As of struct timeline_events. */
	happened_fn on_happened;
	void (*on_status)(struct report_status *status, void *arg);
	/* All that an answer of /sync told is stored. first: as of struct sync_events. May be
	 * NULL. */
	void (*on_stored)(bool first, void *arg);
	void *arg;
};

struct link_options {
	uv_loop_t *loop;
	struct writer *writer;
	struct courier *courier;
	bool new_device;            /* take a changed device id for the new one */
	timeline_event_fn on_event; /* as of struct timeline_options */
};

enum err link_create(struct link **out, const struct link_options *options, struct config *config,
        const struct link_events *events, struct fault *fault);
/* Takes over a reloaded config; another homeserver or user counts from the next start on. */
void link_configure(struct link *link, struct config *config);

/* For `status`; strings are good until the loop's next event. */
const char *link_homeserver(const struct link *link);
const char *link_problem(const struct link *link); /* "" = online */
int64_t link_last_sync_ms(const struct link *link);
/* The users in a room of [oncall]; NULL = not known. */
const json_t *link_joined(const struct link *link, const char *room_id);
/* NULL while it is not online; good until the loop's next event. */
struct mx *link_mx(const struct link *link);
struct vault *link_vault(const struct link *link);
const struct rooms *link_rooms(const struct link *link); /* NULL before the first token */

/* The courier must be closed before. Calls closed(arg) once and frees. */
void link_close(struct link *link, void (*closed)(void *arg), void *arg);

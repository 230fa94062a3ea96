/*
 * link.h - the connection to the homeserver: discovery, token, rooms and sync, which the courier
 * needs to send.
 *
 * Happy path: discovery finds the base URL, unless it is configured; auth provides a token with its
 * user and device id; the device id is compared with the stored one (or stored, the first time);
 * rooms are resolved, the /sync loop starts from the stored `since`, and the courier goes online.
 * A token that an earlier run has proven is that device's, so the comparison comes after all that.
 * Failures: discovery is retried with backoff; a refused token takes the courier offline until
 * auth has another; a device id other than the stored one ends the daemon, since two devices'
 * transaction ids and keys must not be mixed.
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
	/* See struct timeline_events. */
	happened_fn on_happened;
	void (*on_status)(struct report_status *status, void *arg);
	/* The results of a /sync answer are stored. first: see struct sync_events. May be NULL. */
	void (*on_stored)(bool first, void *arg);
	void *arg;
};

struct link_options {
	uv_loop_t *loop;
	struct writer *writer;
	struct courier *courier;
	bool new_device;            /* accept a changed device id */
	timeline_event_fn on_event; /* see struct timeline_options */
};

enum err link_create(struct link **out, const struct link_options *options, struct config *config,
        const struct link_events *events, struct fault *fault);
/* Takes over a reloaded config; a changed homeserver or user takes effect at the next start. */
void link_configure(struct link *link, struct config *config);

/* For `status`; strings are valid until the loop's next event. */
const char *link_homeserver(const struct link *link);
const char *link_problem(const struct link *link); /* "" = online */
/* The homeserver accepts the account's requests again: the next /sync does not wait any longer. */
void link_try_now(struct link *link);
int64_t link_last_sync_ms(const struct link *link);
int64_t link_skew_ms(const struct link *link); /* our clock ahead of the homeserver's */
/* The joined users of a room of [oncall], array of strings, borrowed; NULL = not known. */
const json_t *link_joined(const struct link *link, const char *room_id);
/* NULL while offline; valid until the loop's next event. */
struct mx *link_mx(const struct link *link);
struct vault *link_vault(const struct link *link);
const struct rooms *link_rooms(const struct link *link); /* NULL before the first token */

/* Close the courier first. Calls closed(arg) once and frees. */
void link_close(struct link *link, void (*closed)(void *arg), void *arg);

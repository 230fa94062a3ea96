/*
 * alertmanager.h - alerts of Prometheus and Alertmanager as alerts of ours. Pure.
 */
#pragma once

#include <jansson.h>
#include "bot/base/buf.h"
#include "bot/config/config.h"

#define ALERTMANAGER_RESOLVE_MS 300000 /* after which an alert that says no end is over */

/* Alertmanager's fingerprint of labels (an object of strings): FNV-1a 64 over them, sorted by name,
 * each name and value followed by the byte 255; 16 hex digits. */
void alertmanager_fingerprint(const json_t *labels, char out[17]);

/*
 * One alert (labels, annotations, startsAt, endsAt, generatorURL) as a request of the socket's
 * protocol: a new reference. Its key is the fingerprint.
 *
 * webhook: as Alertmanager tells it, once each when it fires and when it is over, with `status`;
 * its id is fingerprint, startsAt and status, so that what several of a cluster tell is one. group:
 * of the webhook, for links.
 *
 * posted: as Prometheus posts it to an Alertmanager, again and again while it fires; it ends at
 * endsAt, or when it does not come again for ALERTMANAGER_RESOLVE_MS.
 */
json_t *alertmanager_webhook(
        const struct config_labels *names, const json_t *alert, const json_t *group);
json_t *alertmanager_posted(const struct config_labels *names, const json_t *alert, int64_t now_ms);

/* Adds the text without what Go's templates print for a missing or wrong value. */
void alertmanager_add_text(struct buf *out, const char *text);

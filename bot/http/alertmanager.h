/*
 * alertmanager.h - alerts of Prometheus and Alertmanager as alerts of ours. Pure.
 */
#pragma once

#include <jansson.h>
#include "bot/base/buf.h"

#define ALERTMANAGER_RESOLVE_MS 300000 /* after which an alert that says no end is over */

/* Alertmanager's fingerprint of labels (an object of strings): FNV-1a 64 over them, sorted by name,
 * each name and value followed by the byte 255; 16 hex digits. */
void alertmanager_fingerprint(const json_t *labels, char out[17]);

/* One alert as Prometheus and Alertmanager post it (labels, annotations, startsAt, endsAt,
 * generatorURL; `status` from a webhook), as a request of the socket's protocol: a new reference.
 * Its key is the fingerprint, its id that with startsAt and the status. group: of a webhook, for
 * links, or NULL. */
json_t *alertmanager_request(const json_t *alert, const json_t *group, bool resolved);

/* Adds the text without what Go's templates print for a missing or wrong value. */
void alertmanager_add_text(struct buf *out, const char *text);

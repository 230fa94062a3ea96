/*
 * alertmanager.h - converts alerts of Prometheus and Alertmanager. Pure.
 */
#pragma once

#include <jansson.h>
#include "bot/base/buf.h"
#include "bot/config/config.h"

#define ALERTMANAGER_RESOLVE_MS 300000 /* an alert without an end time is resolved after this */

/* Alertmanager's fingerprint of labels (an object of strings): FNV-1a 64 over them, sorted by name,
 * each name and value followed by the byte 255; 16 hex digits. */
void alertmanager_fingerprint(const json_t *labels, char out[17]);

/*
 * Converts one alert (labels, annotations, startsAt, endsAt, generatorURL) to a request of the
 * socket protocol: a new reference. Its key is the fingerprint.
 *
 * webhook: as sent by Alertmanager, once when it fires and once when it is resolved, with `status`;
 * its id is made of fingerprint, startsAt and status, so that the members of a cluster send the
 * same id. group: the webhook, for links. sender: the app of alerts whose labels name none.
 *
 * posted: as Prometheus posts it to an Alertmanager, repeatedly while it fires; it is resolved at
 * endsAt, or when it was not posted again for ALERTMANAGER_RESOLVE_MS.
 */
json_t *alertmanager_webhook(const struct config_labels *names, const json_t *alert,
        const json_t *group, const char *sender);
json_t *alertmanager_posted(const struct config_labels *names, const json_t *alert, int64_t now_ms);

/* Adds the text without the error markers that Go's templates print for missing or wrong values. */
void alertmanager_add_text(struct buf *out, const char *text);

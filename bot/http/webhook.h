/*
 * webhook.h - makes an alert from any JSON that a webhook posts, by a [webhook NAME] of the config.
 * Pure.
 *
 * A template is text with {/JSON/pointers} (RFC 6901); a pointer that finds nothing gives "".
 */
#pragma once

#include <jansson.h>
#include "bot/base/buf.h"
#include "bot/config/config.h"

/* The request of the socket protocol, a new reference; NULL: it says neither that something fires
 * nor that it is resolved. */
json_t *webhook_request(const struct config_webhook *webhook, const json_t *body);
/* The webhook of a name, from the config or built in ("healthchecks", "uptime-kuma"); NULL =
 * none. */
const struct config_webhook *webhook_find(const struct config *config, const char *name);
void webhook_expand(const char *text, const json_t *body, struct buf *out);

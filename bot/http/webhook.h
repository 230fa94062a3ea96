/*
 * webhook.h - any JSON that a webhook posts as an alert, by a [webhook NAME] of the config. Pure.
 *
 * A template is text with {/JSON/pointers} (RFC 6901) in it; what a pointer does not find is empty.
 */
#pragma once

#include <jansson.h>
#include "bot/base/buf.h"
#include "bot/config/config.h"

/* The request of the socket's protocol, a new reference. */
json_t *webhook_request(const struct config_webhook *webhook, const json_t *body);
/* That of a name: of the config, or built in ("healthchecks", "uptime-kuma"); NULL = there is none.
 */
const struct config_webhook *webhook_find(const struct config *config, const char *name);
void webhook_expand(const char *text, const json_t *body, struct buf *out);

/*
 * second.h - tells an alarm by the second account of [meta]: another user, on another homeserver
 * at best, in a room of its own or the same.
 *
 * Happy path: discovery, the token (read on libuv's pool), the room is joined (which resolves an
 * alias, and does nothing for a member), it is seen not to be encrypted, and the text is sent as
 * m.text with no mentions. Each alarm keeps its transaction id over all tries.
 * Failures: everything is tried again with backoff for an hour after the alarm; then it is
 * dropped with an error in the log. An encrypted room drops it at once, since this account has no
 * keys and plain text must not go there. Between alarms nothing is kept, the token least of all.
 */
#pragma once

#include <uv.h>
#include "bot/config/config.h"
#include "bot/matrix/http.h"

struct second;

/* http is borrowed; the config is referenced. */
struct second *second_create(uv_loop_t *loop, struct http *http, struct config *config);
void second_configure(struct second *second, struct config *config);
/* Does nothing without a second account. A few alarms wait at most, more are dropped with an
 * error in the log. Copied. */
void second_tell(struct second *second, const char *text);
/* Drops what waits; `http` is to be closed at the same time, since that ends a discovery. Calls
 * closed(arg) once and frees. */
void second_close(struct second *second, void (*closed)(void *arg), void *arg);

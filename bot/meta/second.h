/*
 * second.h - sends an alarm by the second account of [meta]: another user, preferably on another
 * homeserver, in the same room or another.
 *
 * Happy path: discovery, the token (read on libuv's pool), the room is joined (which resolves an
 * alias, and does nothing for a member), it is checked not to be encrypted, and the text is sent
 * as m.text without mentions. Each alarm keeps its transaction id over all tries.
 * Failures: everything is retried with backoff for an hour after the alarm; then the alarm is
 * dropped with an error in the log. In an encrypted room it is dropped at once, since this account
 * has no keys and nothing unencrypted may be sent there. Between alarms nothing is kept in memory,
 * in particular not the token.
 */
#pragma once

#include <uv.h>
#include "bot/config/config.h"
#include "bot/matrix/http.h"

struct second;

/* http is borrowed; the config is referenced. */
struct second *second_create(uv_loop_t *loop, struct http *http, struct config *config);
void second_configure(struct second *second, struct config *config);
/* Sends the text (copied); does nothing without a second account. A few alarms wait at most, more
 * are dropped with an error in the log. */
void second_tell(struct second *second, const char *text);
/* Drops waiting alarms. Close `http` at the same time, since that ends a discovery. Calls
 * closed(arg) once and frees. */
void second_close(struct second *second, void (*closed)(void *arg), void *arg);

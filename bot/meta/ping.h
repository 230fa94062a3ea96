/*
 * ping.h - fetches [meta] ping_url, so that whoever waits for it (a dead man's switch) knows.
 *
 * A few tries, then it is given up with a warning: the other side will notice. The URL is a secret
 * of sorts and not logged.
 */
#pragma once

#include <uv.h>
#include "bot/matrix/http.h"

struct ping;

/* http is borrowed. url: copied; NULL = none, then nothing is fetched. */
struct ping *ping_create(uv_loop_t *loop, struct http *http, const char *url);
void ping_configure(struct ping *ping, const char *url);
/* One that is under way is enough. */
void ping_start(struct ping *ping);
/* Calls closed(arg) once and frees; closing `http` may be begun before or after. */
void ping_close(struct ping *ping, void (*closed)(void *arg), void *arg);

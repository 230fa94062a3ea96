/*
 * ping.h - fetches [meta] ping_url, which informs a dead man's switch that the bot works.
 *
 * After a few failed tries it logs a warning and stops, since the other side will notice. The URL
 * may contain a secret and is not logged.
 */
#pragma once

#include <uv.h>
#include "bot/matrix/http.h"

struct ping;

/* http is borrowed. url: copied; NULL = none, then nothing is fetched. */
struct ping *ping_create(uv_loop_t *loop, struct http *http, const char *url);
void ping_configure(struct ping *ping, const char *url);
/* Fetches the URL; does nothing while a fetch is in progress. */
void ping_start(struct ping *ping);
/* Calls closed(arg) once and frees; `http` may be closed before or after. */
void ping_close(struct ping *ping, void (*closed)(void *arg), void *arg);

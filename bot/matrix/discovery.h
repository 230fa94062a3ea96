/*
 * discovery.h - finds the base URL of the configured homeserver by .well-known (client-server API,
 * "Server discovery") and /versions.
 */
#pragma once

#include "bot/matrix/http.h"

/* Runs exactly once, never before discovery_start() returns. url: owned by the callee, valid during
 * the callback, NULL on failure (fault says why). */
typedef void (*discovery_done_fn)(const char *url, const struct fault *fault, void *arg);

/*
 * homeserver: "example.org", "https://…", or "http://127.0.0.1:8008" (a URL skips .well-known;
 * plain http is accepted for loopback addresses only, and used for a server name that is one).
 * `http` is borrowed; closing it ends the discovery with ERR_CANCELED.
 *
 * ERR_CONFIG: the configured value can never work. Other errors may be temporary: try again later.
 */
void discovery_start(struct http *http, const char *homeserver, discovery_done_fn done, void *arg);
/* The base URL if homeserver is an acceptable URL, else NULL. Whoever uses it at once saves the
 * request for /versions, and learns by its own first request whether a homeserver listens. Owned by
 * the caller. */
char *discovery_url(const char *homeserver);

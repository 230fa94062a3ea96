/*
 * discovery.h - from what the config calls the homeserver to its base URL, by .well-known
 * (client-server API, "Server discovery") and /versions.
 */
#pragma once

#include "bot/matrix/http.h"

/* Runs exactly once, never before discovery_start() returns. url: owned by the callee, valid during
 * the callback, NULL on failure (fault says why). */
typedef void (*discovery_done_fn)(const char *url, const struct fault *fault, void *arg);

/*
 * homeserver: "example.org", "https://…", or "http://127.0.0.1:8008" (a URL skips .well-known;
 * plain http is taken for loopback addresses only, and a server name that is one is asked by
 * it). `http` is borrowed; closing it ends the discovery with ERR_CANCELED.
 *
 * ERR_CONFIG: what is configured can never work. All else may get better: try again later.
 */
void discovery_start(struct http *http, const char *homeserver, discovery_done_fn done, void *arg);

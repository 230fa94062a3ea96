/*
 * web.h - HTTP, on the Unix socket and, with [http] listen, on TCP: what operators already run can
 * hand in alerts, and ask for metrics and health. libmicrohttpd does the protocol, driven by the
 * daemon's loop, without a thread.
 *
 * A request of HTTP becomes requests of the socket's protocol (web_endpoints.c has the table); it
 * is answered when they are. Who comes over TCP needs a bearer token, if any is configured.
 */
#pragma once

#include <uv.h>
#include "bot/config/config.h"
#include "bot/intake/server.h"

struct web;

struct web_env {
	uv_loop_t *loop;
	/* A request of the socket's protocol; it is answered by exactly one reply_*(). */
	void (*on_request)(const json_t *request, const struct alert_peer *peer,
	        struct reply *reply, void *arg);
	void *arg;
};

/* ERR_CONFIG: a token file is not as it should be; ERR_IO: cannot listen there. */
enum err web_create(
        struct web **out, const struct web_env *env, struct config *config, struct fault *fault);
/* Reads the tokens anew; when that fails, the old ones stay. */
void web_configure(struct web *web, struct config *config);
/* Something happened that pages which are kept up to date show. */
void web_changed(struct web *web);
/* A connection of the Unix socket whose first byte is not JSON's. Takes over fd. */
void web_take(struct web *web, int fd);
/* Takes no more requests, waits for answers under way, then calls closed(arg). */
void web_close(struct web *web, void (*closed)(void *arg), void *arg);

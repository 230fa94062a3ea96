/*
 * web.h - HTTP on the Unix socket and, with [http] listen, on TCP: existing tools can hand in
 * alerts and read metrics and health. libmicrohttpd implements the protocol, driven by the daemon's
 * loop, without a thread.
 *
 * An HTTP request becomes requests of the socket protocol (the table is in web_endpoints.c), and is
 * answered when all of them are. Over TCP a bearer token is required if any is configured.
 */
#pragma once

#include <uv.h>
#include "bot/config/config.h"
#include "bot/intake/server.h"

struct web;

struct web_env {
	uv_loop_t *loop;
	/* A request of the socket protocol; exactly one reply_*() must answer it. */
	void (*on_request)(const json_t *request, const struct alert_peer *peer,
	        struct reply *reply, void *arg);
	void *arg;
};

/* ERR_CONFIG: a token file is invalid; ERR_IO: cannot listen on the address. */
enum err web_create(
        struct web **out, const struct web_env *env, struct config *config, struct fault *fault);
/* Whether the tokens of a new config can be read; errors as of web_create(). */
enum err web_check(const struct config *config, struct fault *fault);
/* Reads the tokens again; if that fails, the previous ones stay valid. */
void web_configure(struct web *web, struct config *config);
/* Notifies the open pages that something shown on them has changed. */
void web_changed(struct web *web);
/* Takes a connection of the Unix socket that does not begin with JSON, and ownership of fd. */
void web_take(struct web *web, int fd);
/* Accepts no more requests, waits for pending answers, then calls closed(arg). */
void web_close(struct web *web, void (*closed)(void *arg), void *arg);

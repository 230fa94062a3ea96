/*
 * auth.h - the access token's life in the daemon: from where it is kept to a client that is
 * logged in, and again when the homeserver refuses it.
 *
 * Happy path: the token is read (on libuv's pool), /whoami says whose it is, the client gets it,
 * on_ready() is called. When the token is refused, it is read again: a command may know a newer
 * one. If that is refused too, the homeserver said that the session goes on after a login
 * (soft logout) and a password is configured, the bot logs in by password with the same device
 * id. Everything else is tried again with backoff, and the log says what a person must do; so is a
 * token that /whoami takes and other requests find refused.
 *
 * Until a token is proven the client keeps the refused one (or none), so that nobody else's
 * calls go out with a token that may be wrong.
 */
#pragma once

#include <uv.h>
#include "bot/config/config.h"
#include "bot/matrix/client.h"

struct auth;

struct auth_events {
	void (*on_ready)(const char *user_id, const char *device_id, void *arg);
	/* No token that works; problem says why, and is good for the call. */
	void (*on_lost)(const char *problem, void *arg);
	void *arg;
};

/* mx is borrowed; the config is referenced. Starts at once. */
struct auth *auth_create(
        uv_loop_t *loop, struct mx *mx, struct config *config, const struct auth_events *events);
/* A new config; what waits for a better one goes on at once. */
void auth_configure(struct auth *auth, struct config *config);
/* The homeserver refused the token (mx_events.on_auth_lost). */
void auth_lost(struct auth *auth, bool soft_logout);
void auth_close(struct auth *auth, void (*closed)(void *arg), void *arg);

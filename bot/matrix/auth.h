/*
 * auth.h - keeps the daemon logged in: reads the access token, proves it, and gets another one
 * when the homeserver refuses it.
 *
 * Happy path: the token is read (on libuv's pool), /whoami says whose it is, the client gets it,
 * on_ready() is called. When the token is refused, it is read again, since the configured command
 * may return a newer one. If that is refused too, the homeserver reported a soft logout and a
 * password is configured, the bot logs in with the password and the same device id (client-server
 * API, "Soft logout"). Everything else is retried with backoff, and the log says what the operator
 * must do. The same happens to a token that /whoami accepts but other requests find refused.
 *
 * Until a token is proven the shared client keeps the refused one (or none), so that no other call
 * is sent with a token that may be wrong. A token that an earlier run has proven is ready at once,
 * since a homeserver never gives a token to another user or device: it is that one's or refused.
 * /whoami follows a little later all the same.
 */
#pragma once

#include <uv.h>
#include "bot/config/config.h"
#include "bot/matrix/client.h"

struct auth;

struct auth_events {
	/* Whether an earlier run has proven this token, and whose it is. Asked for the first token
	 * of this run; may be NULL. The ids are borrowed until the next event. */
	bool (*is_known)(
	        const char *token, const char **user_id, const char **device_id, void *arg);
	/* The client has this token, and may use it. proven: by /whoami in this run; after a known
	 * one it is called again for that. */
	void (*on_ready)(const char *user_id, const char *device_id, const char *token, bool proven,
	        void *arg);
	/* There is no working token; problem says why, and is valid during the call. */
	void (*on_lost)(const char *problem, void *arg);
	void *arg;
};

/* mx is borrowed; the config is referenced. Starts at once. */
struct auth *auth_create(
        uv_loop_t *loop, struct mx *mx, struct config *config, const struct auth_events *events);
/* Takes a new config (referenced) and ends a backoff at once, since the new config may fix the
 * problem. */
void auth_configure(struct auth *auth, struct config *config);
/* The homeserver refused the token (mx_events.on_auth_lost). */
void auth_lost(struct auth *auth, bool soft_logout);
void auth_close(struct auth *auth, void (*closed)(void *arg), void *arg);

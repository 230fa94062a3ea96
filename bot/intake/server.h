/*
 * server.h - the Unix socket: listening, connections, lines, replies in order.
 *
 * One request a line; each gets a struct reply, which may be answered at any later time and in any
 * order: the server writes the answers in the order of the requests. When a connection closes, its
 * replies stay valid: answering them has no effect.
 */
#pragma once

#include <jansson.h>
#include <uv.h>
#include "bot/config/config.h"
#include "bot/base/peer.h"
#include "bot/base/request.h"

#define SERVER_LINE_MAX REQUEST_MAX
#define SERVER_PIPELINE_MAX 1024 /* unanswered requests of a connection; more pauses reading */
#define SERVER_PIPELINE_BYTES (1024 * 1024) /* the same limit for their total length in bytes */
#define SERVER_WAITING_MAX 3072 /* unanswered requests in all; then see CONN_FEW in conn.h */

struct server;
struct reply;

struct server_events {
	/* A well-formed JSON object was received. Exactly one reply_*() must follow, now or
	 * later. */
	void (*on_request)(const json_t *request, const struct alert_peer *peer,
	        struct reply *reply, void *arg);
	/* A connection whose first byte is HTTP's: the callee takes ownership of fd, from which
	 * nothing has been read. NULL: HTTP is not supported. */
	void (*on_http)(int fd, void *arg);
	void *arg;
};

/* Binds and listens (or takes systemd's socket from LISTEN_FDS). ERR_BUSY: a running daemon uses
 * the path. The socket file of a dead daemon is replaced. */
enum err server_create(struct server **out, uv_loop_t *loop, const struct config *config,
        const struct server_events *events, struct fault *fault);
/* Applies the limits and lists of allowed users of a reloaded config. */
void server_configure(struct server *server, const struct config *config);

/* Answers with {"ok":true, …object's members…}. Takes the reference to object. */
void reply_ok(struct reply *reply, json_t *object);
/* Answers {"ok":true,"alert":…,"state":…}, as most requests are answered, without a tree. state: a
 * word that needs no escape. */
void reply_alert(struct reply *reply, int64_t alert, const char *state);
/* Answers {"ok":false,"error":code,"field":…,"message":…,"retry":true?}; field may be NULL. */
void reply_error(
        struct reply *reply, const char *code, const char *field, const char *message, bool retry);
/* Sends one more line before the final answer (for `subscribe`). False when the peer is gone or too
 * slow (over 1 MiB unread): the reply must then be finished. Takes the reference. */
bool reply_stream(struct reply *reply, json_t *object);
/* A reply without a connection: answered(arg) gets the answer, borrowed, once. */
struct reply *reply_create_for(void (*answered)(const json_t *answer, void *arg), void *arg);
/* Pauses further requests of this connection until this one is answered: for an answer that may be
 * large or takes long. */
void reply_alone(struct reply *reply);
/* The number of the request's connection while it is open; 0 = none. */
uint64_t reply_way(const struct reply *reply);
/* Whether nobody can receive the answer any more. */
bool reply_is_gone(const struct reply *reply);
/* Called once, from the loop, when the peer goes away before the reply is finished. If the peer was
 * gone before this call, only reply_stream() reports it. */
void reply_on_gone(struct reply *reply, void (*gone)(void *arg), void *arg);

unsigned server_clients(const struct server *server);
/* Stops listening and reading, waits until all replies are written (at most 2 s), then closes. */
void server_close(struct server *server, void (*closed)(void *arg), void *arg);

/*
 * server.h - the Unix socket: listening, connections, lines, replies in order.
 *
 * One request a line; each gets a struct reply, answered at any later time, in any order: the
 * server writes the lines out in the order of the requests. A connection that goes away leaves
 * its replies valid: answering them then does nothing.
 */
#pragma once

#include <jansson.h>
#include <uv.h>
#include "bot/config/config.h"
#include "bot/base/peer.h"
#include "bot/base/request.h"

#define SERVER_LINE_MAX REQUEST_MAX
#define SERVER_PIPELINE_MAX 1024 /* unanswered requests of a connection; then it is not read */
#define SERVER_PIPELINE_BYTES (1024 * 1024) /* likewise: their length */
#define SERVER_WAITING_MAX 3072 /* unanswered requests of all: then who has many is not read */

struct server;
struct reply;

struct server_events {
	/* A well-formed JSON object came in. Exactly one reply_*() must follow, now or later. */
	void (*on_request)(const json_t *request, const struct alert_peer *peer,
	        struct reply *reply, void *arg);
	/* A connection that speaks HTTP, by its first byte: takes over fd, of which nothing was
	 * read. NULL: no HTTP here. */
	void (*on_http)(int fd, void *arg);
	void *arg;
};

/* Binds and listens (or takes the socket of systemd's LISTEN_FDS). ERR_BUSY: a live daemon has
 * the path. A dead daemon's socket file is replaced. */
enum err server_create(struct server **out, uv_loop_t *loop, const struct config *config,
        const struct server_events *events, struct fault *fault);
/* Takes over limits and allow-lists of a reloaded config. */
void server_configure(struct server *server, const struct config *config);

/* Answers with {"ok":true, …object's members…}. Takes the reference to object. */
void reply_ok(struct reply *reply, json_t *object);
/* Answers {"ok":false,"error":code,"field":…,"message":…,"retry":true?}; field may be NULL. */
void reply_error(
        struct reply *reply, const char *code, const char *field, const char *message, bool retry);
/* Sends one more line before the final answer (for `subscribe`); false when the peer is gone or
 * too slow (over 1 MiB unread), and then the reply must be finished. Takes the reference. */
bool reply_stream(struct reply *reply, json_t *object);
/* A reply that is of no connection: answered(arg) gets the answer, borrowed, once. */
struct reply *reply_create_for(void (*answered)(const json_t *answer, void *arg), void *arg);
/* Takes no more requests of this connection until this one is answered: for an answer that may be
 * large, or takes a while to make. */
void reply_alone(struct reply *reply);
/* A number of the connection that the request came by, as long as it is there; 0 = of none. */
uint64_t reply_way(const struct reply *reply);
/* Nobody reads the answer any more. */
bool reply_is_gone(const struct reply *reply);
/* Called once, from the loop, when the peer goes away before the reply is finished. A peer that
 * had gone before this call is only noticed by reply_stream(). */
void reply_on_gone(struct reply *reply, void (*gone)(void *arg), void *arg);

unsigned server_clients(const struct server *server);
/* Stops listening and reading, waits until all replies are out (at most 2 s), then closes. */
void server_close(struct server *server, void (*closed)(void *arg), void *arg);

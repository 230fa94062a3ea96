/*
 * conn.h - one connection of the socket: splits bytes into lines and requests, and writes the
 * replies in order. Internal to the server; struct reply and its functions are in server.h.
 *
 * Happy path: bytes are read, each line becomes a request with a reply at the end of the list; a
 * finished reply is sent once it is the first of the list. At the end of input the connection
 * closes after the last reply is written.
 *
 * Connections take turns: in one turn of the loop each handles at most CONN_TURN_LINES lines; when
 * SERVER_WAITING_MAX requests of all connections are unanswered, only connections with fewer than
 * CONN_FEW of them are read.
 *
 * What can go wrong: too many unanswered requests, or too much output that the peer has not read,
 * pause reading; more than CONN_OUTPUT_MAX closes the connection. A line over the limit is answered
 * with an error, the rest of it is discarded for at most CONN_LINGER_MS, then the connection
 * closes. A connection whose peer can no longer be written to becomes "deaf": replies are dropped,
 * but requests sent before are still handled, because a client may send and exit.
 */
#pragma once

#include <sys/queue.h>
#include "bot/intake/server.h"

#define CONN_OUTPUT_PAUSE (256 * 1024)    /* bytes unread by the peer: stop reading it */
#define CONN_STREAM_MAX (1024 * 1024)     /* likewise: reject further streamed lines */
#define CONN_OUTPUT_MAX (4 * 1024 * 1024) /* likewise: close the connection */
#define CONN_LINGER_MS 2000
#define CONN_TURN_LINES 64
#define CONN_FEW 16

struct conn;

struct conn_events {
	void (*on_request)(const json_t *request, const struct alert_peer *peer,
	        struct reply *reply, void *arg);
	/* See server.h; the connection closes afterwards. */
	void (*on_http)(int fd, void *arg);
	/* The last callback; the memory is freed when it returns. */
	void (*on_closed)(struct conn *conn, void *arg);
	void *arg;
	uint64_t number;   /* of the connection; 0 = none */
	unsigned *waiting; /* unanswered requests of all connections; maintained here */
};

LIST_HEAD(conn_list, conn);

/* Accepts from the listener; NULL when there is nothing to accept. The connection is not in a list
 * and does nothing until conn_start() or conn_refuse(). */
struct conn *conn_accept(uv_stream_t *listener, const struct conn_events *events);
const struct alert_peer *conn_peer(const struct conn *conn);
/* Its descriptor, or -1. */
int conn_fd(const struct conn *conn);
/* True when the peer has this group, as its own or a supplementary one. */
bool conn_peer_in_group(const struct conn *conn, gid_t gid);

void conn_start(struct conn *conn);
/* Sends an error and closes; with `linger` only after the peer's first line, or CONN_LINGER_MS. */
void conn_refuse(struct conn *conn, const char *code, const char *message, bool retry, bool linger);
bool conn_is_refused(const struct conn *conn);
/* Stops reading, and closes once all replies are sent. */
void conn_stop(struct conn *conn);
/* Closes immediately. */
void conn_abort(struct conn *conn);

void conn_list_insert(struct conn_list *list, struct conn *conn);
void conn_list_remove(struct conn *conn);
struct conn *conn_list_next(const struct conn *conn);

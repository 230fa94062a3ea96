/*
 * conn_internal.h - what the two halves of a connection share: what comes in (conn.c) and what goes
 * out (reply.c). For these two files alone.
 */
#pragma once

#include "bot/base/buf.h"
#include "bot/intake/conn.h"

struct reply {
	struct conn *conn; /* NULL = closed */
	struct buf text;   /* lines not yet moved to the connection's output */
	size_t cost;       /* bytes of the request */
	bool done;         /* the final answer is in text */
	bool alone;        /* what comes after it waits */
	void (*answered)(const json_t *answer, void *arg); /* of no connection; else NULL */
	void *answered_arg;
	void (*gone)(void *arg); /* NULL = nobody asked, or told already */
	void *gone_arg;
	TAILQ_ENTRY(reply) link; /* conn::replies */
};

struct conn {
	uv_pipe_t pipe;
	uv_timer_t timer; /* bounds the discarding */
	uv_idle_t turn;   /* active while lines wait for the next turn of the loop */
	uv_write_t write;
	unsigned handles; /* not yet closed */
	struct conn_events events;
	struct alert_peer peer;
	LIST_ENTRY(conn) link; /* server::conns */

	TAILQ_HEAD(, reply) replies; /* in the order of the requests */
	unsigned waiting, alone;     /* of replies: all; those that hold up what comes after */
	size_t cost;                 /* bytes of their requests */

	char *in;              /* INPUT_CAP bytes, NULL until something is read */
	size_t in_pos, in_len; /* what is not yet looked at */
	struct buf out;        /* goes out with the next write */
	char *flight;          /* being written, or NULL */
	size_t flight_len;
	size_t held; /* bytes in the replies' text */

	bool undecided;        /* the first byte will tell whether it is HTTP */
	bool reading, pumping; /* uv_read_start() is on; inside conn_pump() */
	bool discarding;       /* until the end of a line that is not taken */
	bool refused;          /* all it gets is one answer */
	bool eof;              /* the peer sends no more */
	bool stopped;          /* nothing more is taken */
	bool deaf;             /* the peer reads no more */
	bool broken;           /* to be closed by the timer */
	bool closing;
};

/* After every event: takes what may be taken, reads or pauses, closes at the end. */
void conn_pump(struct conn *conn);

/* Bytes that the peer has not read yet. */
size_t conn_output_len(const struct conn *conn);
/* Nothing can be written any more: drops what waits, tells who asked. */
void conn_set_deaf(struct conn *conn);
/* Closes from the loop: whoever is answering now must not be told meanwhile that peers went. */
void conn_break(struct conn *conn);

/* The reply of a request of so many bytes, at the end of the list. */
struct reply *reply_create(struct conn *conn, size_t cost);
/* Answers; takes the line. */
void reply_finish(struct reply *reply, json_t *line);
/* The connection closes: its replies stay, and go nowhere. */
void replies_orphan(struct conn *conn);

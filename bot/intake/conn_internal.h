/*
 * conn_internal.h - shared by the two halves of a connection: input (conn.c) and output (reply.c).
 * For these two files only.
 */
#pragma once

#include "bot/base/buf.h"
#include "bot/intake/conn.h"

struct reply {
	struct conn *conn; /* NULL = closed */
	struct buf text;   /* lines not yet moved to the connection's output */
	size_t cost;       /* bytes of the request */
	bool done;         /* the final answer is in text */
	bool alone;        /* later requests wait until it is answered */
	void (*answered)(
	        const json_t *answer, void *arg); /* of a reply without a connection; else NULL */
	void *answered_arg;
	void (*gone)(void *arg); /* NULL = not requested, or called already */
	void *gone_arg;
	TAILQ_ENTRY(reply) link; /* conn::replies */
};

struct conn {
	uv_pipe_t pipe;
	uv_timer_t timer; /* time limit of discarding */
	uv_idle_t turn;   /* active while lines wait for the next turn of the loop */
	uv_write_t write;
	unsigned handles; /* not yet closed */
	struct conn_events events;
	struct alert_peer peer;
	LIST_ENTRY(conn) link; /* server::conns */

	TAILQ_HEAD(, reply) replies; /* in the order of the requests */
	unsigned waiting, alone;     /* number of replies; of those that make later requests wait */
	size_t cost;                 /* bytes of their requests */

	char *in;              /* in_cap bytes, NULL until something is read */
	size_t in_cap;         /* grows to INPUT_CAP for a client that fills it */
	size_t in_pos, in_len; /* the unprocessed part of `in` */
	struct buf out;        /* sent with the next write */
	char *flight;          /* being written, or NULL */
	size_t flight_len;
	size_t held; /* bytes in the replies' text */

	bool undecided;        /* the first byte decides whether it is HTTP */
	bool reading, pumping; /* uv_read_start() is on; inside conn_pump() */
	bool discarding;       /* until the end of a line that is too long */
	bool refused;          /* it gets a single error as its answer */
	bool eof;              /* the peer sends no more */
	bool stopped;          /* no more requests are accepted */
	bool deaf;             /* the peer no longer reads */
	bool broken;           /* to be closed by the timer */
	bool closing;
};

/* Called after every event: handles the lines that may be handled, reads or pauses, closes at the
 * end. */
void conn_pump(struct conn *conn);

/* Whether the peer closed the connection, and did not only end its writing side. To be asked while
 * nothing is read, when libuv does not tell. */
bool conn_hung_up(const struct conn *conn);
/* Bytes that the peer has not read yet. */
size_t conn_output_len(const struct conn *conn);
/* Nothing can be written any more: drops pending output and calls reply_on_gone() callbacks. */
void conn_set_deaf(struct conn *conn);
/* Closes later from the loop, so that callbacks for a lost peer do not run inside the current
 * one. */
void conn_break(struct conn *conn);

/* Adds the reply to a request of `cost` bytes at the end of the list. */
struct reply *reply_create(struct conn *conn, size_t cost);
/* Sets the final answer; takes the reference to line. */
void reply_finish(struct reply *reply, json_t *line);
/* Detaches the replies from a closing connection: they stay valid, and their answers are
 * dropped. */
void replies_orphan(struct conn *conn);

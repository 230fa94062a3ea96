/*
 * conn.c - see conn.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "bot/base/alloc.h"
#include "bot/base/buf.h"
#include "bot/base/log.h"
#include "bot/base/request.h"
#include "bot/intake/reply_json.h"
#include "bot/intake/conn_internal.h"

#define INPUT_CAP (SERVER_LINE_MAX + 1) /* a line of the greatest length and its newline */
#define INPUT_FIRST 2048                /* most clients never fill it; a full buffer grows */

/* ---- input ---- */

static void conn_take_line(struct conn *conn, const char *line, size_t len)
{
	struct reply *reply = reply_create(conn, len);
	struct fault fault;
	json_t *request;
	size_t position;

	if (request_parse(line, len, &request, &position, &fault) == OK) {
		conn->events.on_request(request, &conn->peer, reply, conn->events.arg);
		json_decref(request);
	} else {
		json_t *object = answer_error("json", NULL, fault.text, false);
		json_object_set_new(object, "position", json_integer((json_int_t)position));
		reply_finish(reply, object);
	}
}

static void on_linger_over(uv_timer_t *timer)
{
	struct conn *conn = timer->data;
	conn->stopped = true;
	conn_pump(conn);
}

/* Reads and drops the rest of the line: if the connection were closed at once, a peer that writes
 * before it reads would get a broken pipe instead of the answer. */
static void conn_discard(struct conn *conn)
{
	conn->discarding = true;
	conn->in_pos = conn->in_len = 0;
	uv_timer_start(&conn->timer, on_linger_over, CONN_LINGER_MS, 0);
}

static void take_too_long(struct conn *conn)
{
	conn_discard(conn);
	reply_error(reply_create(conn, 0), "too_large", NULL,
	        "a request has at most 65536 bytes; the connection is closed", false);
}

static bool may_take(const struct conn *conn)
{
	return !conn->closing && !conn->broken && !conn->stopped && !conn->discarding &&
	       conn->waiting < SERVER_PIPELINE_MAX &&
	       (conn->waiting < CONN_FEW || *conn->events.waiting < SERVER_WAITING_MAX) &&
	       conn->cost < SERVER_PIPELINE_BYTES && conn->alone == 0 &&
	       (conn->deaf || conn_output_len(conn) < CONN_OUTPUT_PAUSE);
}

/* Takes the next line from the buffer; false when there is no complete one. */
static bool take_next(struct conn *conn)
{
	size_t left = conn->in_len - conn->in_pos;
	const char *line, *end;

	if (left == 0)
		return false;
	line = conn->in + conn->in_pos;
	end = memchr(line, '\n', left);
	if (end) {
		conn->in_pos += (size_t)(end - line) + 1;
		conn_take_line(conn, line, (size_t)(end - line));
		return true;
	}
	if (left > SERVER_LINE_MAX) {
		take_too_long(conn);
		return true;
	}
	if (conn->eof) {
		conn->in_pos = conn->in_len;
		conn_take_line(conn, line, left);
		return true;
	}
	return false;
}

static void conn_on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
	struct conn *conn = handle->data;
	size_t left = conn->in_len - conn->in_pos;

	if (conn->undecided) { /* without a buffer, conn_on_read() learns only that there is data */
		*out = uv_buf_init(NULL, 0);
		return;
	}
	if (conn->in_pos > 0)
		memmove(conn->in, conn->in + conn->in_pos, left);
	if (conn->in_len == conn->in_cap && conn->in_cap < INPUT_CAP) {
		conn->in_cap = conn->in_cap ? conn->in_cap * 4 : INPUT_FIRST;
		if (conn->in_cap > INPUT_CAP)
			conn->in_cap = INPUT_CAP;
		conn->in = x_realloc(conn->in, conn->in_cap);
	}
	conn->in_pos = 0;
	conn->in_len = left;
	*out = uv_buf_init(conn->in + left, (unsigned)(conn->in_cap - left));
}

bool conn_hung_up(const struct conn *conn)
{
	struct pollfd fd = {.events = POLLOUT};
	return uv_fileno((const uv_handle_t *)&conn->pipe, &fd.fd) != 0 ||
	       (poll(&fd, 1, 0) > 0 && (fd.revents & (POLLHUP | POLLERR)));
}

/* HTTP begins with a method in capitals, the socket protocol with a brace. */
static void conn_decide(struct conn *conn)
{
	int fd;
	char first;

	if (uv_fileno((const uv_handle_t *)&conn->pipe, &fd) != 0)
		return;
	errno = 0;
	if (recv(fd, &first, 1, MSG_PEEK | MSG_DONTWAIT) != 1 || first < 'A' || first > 'Z') {
		conn->undecided = errno == EAGAIN; /* the end of input is found by reading */
		return;
	}
	fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (fd != -1)
		conn->events.on_http(fd, conn->events.arg);
	conn_abort(conn);
}

static void conn_on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf)
{
	struct conn *conn = stream->data;

	if (conn->undecided && count == UV_ENOBUFS) {
		conn_decide(conn);
		return;
	}
	if (count == 0)
		return;
	if (count < 0) {
		conn->eof = true;
		if (conn->discarding)
			conn->stopped = true;
		if (count != UV_EOF || conn_hung_up(conn))
			conn_set_deaf(conn);
	} else if (conn->discarding) {
		if (memchr(buf->base, '\n', (size_t)count))
			conn->stopped = true;
	} else {
		conn->in_len += (size_t)count;
	}
	conn_pump(conn);
}

static void conn_set_reading(struct conn *conn, bool reading)
{
	if (reading == conn->reading)
		return;
	conn->reading = reading;
	if (!reading)
		uv_read_stop((uv_stream_t *)&conn->pipe);
	else if (uv_read_start((uv_stream_t *)&conn->pipe, conn_on_alloc, conn_on_read) != 0)
		conn_break(conn);
}

static void conn_on_turn(uv_idle_t *turn)
{
	uv_idle_stop(turn);
	conn_pump(turn->data);
}

/* Handles as many lines as one turn of the loop allows; the rest follows in the next turn. */
static void conn_take_turn(struct conn *conn)
{
	bool more = true;

	if (uv_is_active((uv_handle_t *)&conn->turn))
		return;
	for (int i = 0; i < CONN_TURN_LINES && more && may_take(conn); i++)
		more = take_next(conn);
	if (more && may_take(conn))
		uv_idle_start(&conn->turn, conn_on_turn);
}

void conn_pump(struct conn *conn)
{
	if (conn->pumping || conn->broken || conn->closing)
		return;
	conn->pumping = true;
	conn_take_turn(conn);
	conn->pumping = false;
	if (conn->broken || conn->closing)
		return;

	bool takes = may_take(conn) && !uv_is_active((uv_handle_t *)&conn->turn);
	conn_set_reading(conn, !conn->eof && !conn->stopped && (conn->discarding || takes));
	bool no_input = conn->stopped || (conn->eof && conn->in_pos == conn->in_len);
	bool no_output = !conn->flight && conn->out.len == 0 && conn->waiting == 0;
	if (no_input && (no_output || conn->deaf))
		conn_abort(conn);
}

/* ---- creating and closing ---- */

static void conn_on_handle_closed(uv_handle_t *handle)
{
	struct conn *conn = handle->data;

	if (--conn->handles > 0)
		return;
	if (conn->events.on_closed)
		conn->events.on_closed(conn, conn->events.arg);
	buf_finish(&conn->out);
	free(conn->in);
	free(conn);
}

void conn_abort(struct conn *conn)
{
	if (conn->closing)
		return;
	conn->closing = true;
	conn_set_deaf(conn);
	replies_orphan(conn);
	uv_close((uv_handle_t *)&conn->turn, conn_on_handle_closed);
	uv_close((uv_handle_t *)&conn->pipe, conn_on_handle_closed);
	uv_close((uv_handle_t *)&conn->timer, conn_on_handle_closed);
}

static void read_peer(struct conn *conn)
{
	struct ucred cred;
	socklen_t size = sizeof(cred);
	int fd;

	conn->peer = (struct alert_peer){-1, -1, -1};
	if (uv_fileno((uv_handle_t *)&conn->pipe, &fd) == 0 &&
	        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) == 0)
		conn->peer = (struct alert_peer){cred.uid, cred.gid, cred.pid};
}

struct conn *conn_accept(uv_stream_t *listener, const struct conn_events *events)
{
	struct conn *conn = x_calloc(1, sizeof(*conn));

	conn->events = *events;
	conn->handles = 3;
	TAILQ_INIT(&conn->replies);
	buf_init(&conn->out, 2 * CONN_OUTPUT_MAX);
	uv_pipe_init(listener->loop, &conn->pipe, 0);
	uv_timer_init(listener->loop, &conn->timer);
	uv_idle_init(listener->loop, &conn->turn);
	conn->pipe.data = conn->timer.data = conn->turn.data = conn->write.data = conn;
	if (uv_accept(listener, (uv_stream_t *)&conn->pipe) != 0) {
		conn->events.on_closed = NULL; /* the owner never got this connection */
		conn_abort(conn);
		return NULL;
	}
	read_peer(conn);
	return conn;
}

int conn_fd(const struct conn *conn)
{
	int fd;

	return uv_fileno((const uv_handle_t *)&conn->pipe, &fd) == 0 ? fd : -1;
}

const struct alert_peer *conn_peer(const struct conn *conn)
{
	return &conn->peer;
}

bool conn_peer_in_group(const struct conn *conn, gid_t gid)
{
	socklen_t size = 0;
	bool found = conn->peer.gid == (int64_t)gid;
	int fd;

	if (found || uv_fileno((const uv_handle_t *)&conn->pipe, &fd) != 0)
		return found;
	/* the first call fails with ERANGE and returns the size */
	getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &size);
	if (size == 0)
		return false;
	gid_t *groups = x_calloc(1, size);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) == 0)
		for (size_t i = 0; i < size / sizeof(*groups); i++)
			found |= groups[i] == gid;
	free(groups);
	return found;
}

void conn_start(struct conn *conn)
{
	conn->undecided = conn->events.on_http;
	conn_pump(conn);
}

void conn_refuse(struct conn *conn, const char *code, const char *message, bool retry, bool linger)
{
	conn->refused = true;
	if (linger)
		conn_discard(conn);
	else
		conn->stopped = true;
	reply_error(reply_create(conn, 0), code, NULL, message, retry);
}

bool conn_is_refused(const struct conn *conn)
{
	return conn->refused;
}

void conn_stop(struct conn *conn)
{
	conn->stopped = true;
	conn_pump(conn);
}

void conn_list_insert(struct conn_list *list, struct conn *conn)
{
	LIST_INSERT_HEAD(list, conn, link);
}

void conn_list_remove(struct conn *conn)
{
	LIST_REMOVE(conn, link);
}

struct conn *conn_list_next(const struct conn *conn)
{
	return LIST_NEXT(conn, link);
}

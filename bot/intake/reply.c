/*
 * reply.c - replies and the output of a connection; see conn.h and server.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include "bot/base/alloc.h"
#include "bot/base/log.h"
#include "bot/intake/conn_internal.h"
#include "bot/intake/reply_json.h"

size_t conn_output_len(const struct conn *conn)
{
	return conn->out.len + conn->flight_len + conn->held;
}

/* The reply is finished: requests that waited for it may continue. */
static void reply_release(struct reply *reply)
{
	if (!reply->conn)
		return;
	reply->conn->alone -= reply->alone;
	reply->conn->cost -= reply->cost;
	reply->alone = false;
	reply->cost = 0;
}

static void reply_leave(struct reply *reply)
{
	struct conn *conn = reply->conn;

	if (!conn)
		return;
	TAILQ_REMOVE(&conn->replies, reply, link);
	conn->waiting--;
	--*conn->events.waiting;
	reply_release(reply);
	conn->held -= reply->text.len;
	reply->conn = NULL;
}

static void reply_free(struct reply *reply)
{
	reply_leave(reply);
	buf_finish(&reply->text);
	free(reply);
}

void replies_orphan(struct conn *conn)
{
	struct reply *reply;

	while ((reply = TAILQ_FIRST(&conn->replies)))
		reply_leave(reply);
}

void conn_set_deaf(struct conn *conn)
{
	struct reply *reply, *next;

	if (conn->deaf)
		return;
	conn->deaf = true;
	for (reply = TAILQ_FIRST(&conn->replies); reply; reply = next) {
		next = TAILQ_NEXT(reply, link);
		if (reply->done)
			reply_free(reply);
	}
	/* a callback may finish any of the replies, so each round starts from the beginning */
	do {
		TAILQ_FOREACH(reply, &conn->replies, link)
		{
			if (reply->gone)
				break;
		}
		if (reply) {
			void (*gone)(void *arg) = reply->gone;
			reply->gone = NULL;
			gone(reply->gone_arg);
		}
	} while (reply);
}

static void on_break(uv_timer_t *timer)
{
	conn_abort(timer->data);
}

void conn_break(struct conn *conn)
{
	conn->broken = true;
	uv_timer_start(&conn->timer, on_break, 0, 0);
}

static void on_written(uv_write_t *write, int status);

static void conn_write(struct conn *conn)
{
	if (conn->deaf || conn->broken || conn->closing || conn->flight || conn->out.len == 0)
		return;
	conn->flight_len = conn->out.len;
	conn->flight = buf_take(&conn->out);
	uv_buf_t data = uv_buf_init(conn->flight, (unsigned)conn->flight_len);
	if (uv_write(&conn->write, (uv_stream_t *)&conn->pipe, &data, 1, on_written) != 0) {
		free(conn->flight);
		conn->flight = NULL;
		conn->flight_len = 0;
		conn_break(conn);
	}
}

static void on_written(uv_write_t *write, int status)
{
	struct conn *conn = write->data;

	free(conn->flight);
	conn->flight = NULL;
	conn->flight_len = 0;
	if (conn->closing)
		return;
	if (status != 0)
		conn_set_deaf(conn);
	conn_write(conn);
	conn_pump(conn);
}

/* Moves the finished replies at the head of the list to the output. */
static void conn_flush(struct conn *conn)
{
	struct reply *reply;

	while ((reply = TAILQ_FIRST(&conn->replies))) {
		bool done = reply->done;
		buf_add(&conn->out, buf_str(&reply->text), reply->text.len);
		conn->held -= reply->text.len;
		buf_reset(&reply->text);
		if (!done)
			break;
		reply_free(reply);
	}
	conn_write(conn);
	if (!conn->broken && (conn_output_len(conn) > CONN_OUTPUT_MAX || conn->out.overflow)) {
		log_seldom(LOG_WARNING, "socket", "",
		        "closed the connection of pid %lld: it does not read its answers",
		        (long long)conn->peer.pid);
		conn_break(conn);
	}
}

static void reply_add(struct reply *reply, const char *line)
{
	size_t before = reply->text.len;

	buf_add_str(&reply->text, line ? line : "{\"ok\":false,\"error\":\"internal\"}");
	buf_add_char(&reply->text, '\n');
	reply->conn->held += reply->text.len - before;
	/* an incomplete line must not be sent */
	if (reply->text.overflow)
		reply->conn->out.overflow = true;
}

/* line NULL: there was no memory for it. */
static void reply_send(struct reply *reply, const char *line)
{
	struct conn *conn = reply->conn;

	reply->gone = NULL;
	reply->done = true;
	reply_release(reply);
	reply_add(reply, line);
	conn_flush(conn);
	conn_pump(conn);
}

void reply_finish(struct reply *reply, json_t *line)
{
	struct conn *conn = reply->conn;
	char *text;

	reply->gone = NULL;
	if (reply->answered)
		reply->answered(line, reply->answered_arg);
	if (!conn || conn->deaf) {
		reply_free(reply);
		if (conn)
			conn_pump(conn);
	} else {
		text = json_dumps(line, JSON_COMPACT);
		reply_send(reply, text);
		free(text);
	}
	json_decref(line);
}

struct reply *reply_create_for(void (*answered)(const json_t *answer, void *arg), void *arg)
{
	struct reply *reply = x_calloc(1, sizeof(*reply));

	reply->answered = answered;
	reply->answered_arg = arg;
	buf_init(&reply->text, CONN_OUTPUT_MAX);
	return reply;
}

struct reply *reply_create(struct conn *conn, size_t cost)
{
	struct reply *reply = x_calloc(1, sizeof(*reply));
	reply->conn = conn;
	reply->cost = cost;
	conn->cost += cost;
	buf_init(&reply->text, CONN_OUTPUT_MAX);
	TAILQ_INSERT_TAIL(&conn->replies, reply, link);
	conn->waiting++;
	++*conn->events.waiting;
	return reply;
}

/* ---- functions of server.h ---- */

void reply_ok(struct reply *reply, json_t *object)
{
	reply_finish(reply, answer_ok(object));
}

void reply_alert(struct reply *reply, int64_t alert, const char *state)
{
	char line[96];

	if (!reply->conn || reply->conn->deaf) {
		reply_ok(
		        reply, json_pack("{s:I, s:s}", "alert", (json_int_t)alert, "state", state));
		return;
	}
	snprintf(line, sizeof(line), "{\"ok\":true,\"alert\":%lld,\"state\":\"%s\"}",
	        (long long)alert, state);
	reply_send(reply, line);
}

void reply_error(
        struct reply *reply, const char *code, const char *field, const char *message, bool retry)
{
	reply_finish(reply, answer_error(code, field, message, retry));
}

bool reply_stream(struct reply *reply, json_t *object)
{
	struct conn *conn = reply->conn;
	bool fits =
	        conn && !conn->deaf && !conn->broken && conn_output_len(conn) <= CONN_STREAM_MAX;
	char *text;

	if (fits) {
		text = json_dumps(object, JSON_COMPACT);
		reply_add(reply, text);
		free(text);
		conn_flush(conn);
		fits = !conn->broken;
	}
	json_decref(object);
	return fits;
}

void reply_alone(struct reply *reply)
{
	if (reply->conn && !reply->alone) {
		reply->alone = true;
		reply->conn->alone++;
	}
}

uint64_t reply_way(const struct reply *reply)
{
	return reply->conn ? reply->conn->events.number : 0;
}

bool reply_is_gone(const struct reply *reply)
{
	if (reply->answered)
		return false;
	return !reply->conn || reply->conn->deaf || conn_hung_up(reply->conn);
}

void reply_on_gone(struct reply *reply, void (*gone)(void *arg), void *arg)
{
	reply->gone = gone;
	reply->gone_arg = arg;
}

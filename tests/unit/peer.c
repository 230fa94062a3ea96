/*
 * peer.c - see peer.h.
 */
#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include "bot/base/alloc.h"
#include "bot/base/buf.h"
#include "tests/unit/peer.h"

#define REQUEST_MAX (4U << 20)

struct peer_request {
	struct peer *peer;
	LIST_ENTRY(peer_request) link;
	uv_tcp_t tcp;
	struct buf in;
	char *head, *method, *target, *body; /* of the request that waits, NULL = none */
	bool closing;
};

struct peer {
	uv_loop_t *loop;
	uv_tcp_t tcp;
	char url[64];
	int port;
	unsigned connections, requests;
	unsigned handles;
	LIST_HEAD(, peer_request) conns;
	peer_script_fn script;
	void *arg;
	void (*closed)(void *arg);
	void *closed_arg;
};

struct write {
	uv_write_t request;
	char *data;
};

/* ---- closing ---- */

static void on_handle_closed(struct peer *peer)
{
	void (*closed)(void *arg) = peer->closed;
	void *arg = peer->closed_arg;

	if (--peer->handles > 0)
		return;
	free(peer);
	closed(arg);
}

static void forget_request(struct peer_request *conn)
{
	free(conn->head);
	free(conn->method);
	free(conn->target);
	free(conn->body);
	conn->head = conn->method = conn->target = conn->body = NULL;
}

static void on_conn_closed(uv_handle_t *handle)
{
	struct peer_request *conn = handle->data;
	struct peer *peer = conn->peer;

	forget_request(conn);
	buf_finish(&conn->in);
	free(conn);
	on_handle_closed(peer);
}

static void on_listener_closed(uv_handle_t *handle)
{
	on_handle_closed(handle->data);
}

void peer_hang_up(struct peer_request *conn)
{
	if (conn->closing)
		return;
	conn->closing = true;
	LIST_REMOVE(conn, link);
	uv_close((uv_handle_t *)&conn->tcp, on_conn_closed);
}

void peer_reset(struct peer_request *conn)
{
	if (conn->closing)
		return;
	conn->closing = true;
	LIST_REMOVE(conn, link);
	assert(uv_tcp_close_reset(&conn->tcp, on_conn_closed) == 0);
}

void peer_close(struct peer *peer, void (*closed)(void *arg), void *arg)
{
	peer->closed = closed;
	peer->closed_arg = arg;
	while (!LIST_EMPTY(&peer->conns))
		peer_hang_up(LIST_FIRST(&peer->conns));
	uv_close((uv_handle_t *)&peer->tcp, on_listener_closed);
}

/* ---- reading ---- */

const char *peer_header(const struct peer_request *conn, const char *name)
{
	static char value[4096];
	size_t len = strlen(name);

	for (const char *line = strstr(conn->head, "\r\n"); line; line = strstr(line, "\r\n")) {
		line += 2;
		if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
			line += len + 1;
			line += strspn(line, " ");
			snprintf(value, sizeof(value), "%.*s", (int)strcspn(line, "\r"), line);
			return value;
		}
	}
	return "";
}

static void take_request(struct peer_request *conn)
{
	char *end = conn->in.data ? strstr(conn->in.data, "\r\n\r\n") : NULL;
	size_t head_len, body_len;
	char method[16], target[8192];

	if (!end || conn->head || conn->closing)
		return;
	head_len = (size_t)(end - conn->in.data) + 4;
	conn->head = x_strndup(conn->in.data, head_len);
	body_len = strtoul(peer_header(conn, "content-length"), NULL, 10);
	if (conn->in.len < head_len + body_len) {
		forget_request(conn);
		return;
	}
	assert(sscanf(conn->head, "%15s %8191s", method, target) == 2);
	conn->method = x_strdup(method);
	conn->target = x_strdup(target);
	conn->body = x_strndup(conn->in.data + head_len, body_len);
	buf_drop(&conn->in, head_len + body_len);
	conn->peer->requests++;
	conn->peer->script(conn, conn->peer->arg);
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
	(void)handle;
	*buf = uv_buf_init(x_calloc(1, size), (unsigned)size);
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buf)
{
	struct peer_request *conn = stream->data;

	if (len > 0) {
		buf_add(&conn->in, buf->base, (size_t)len);
		take_request(conn);
	} else if (len < 0) {
		peer_hang_up(conn);
	}
	free(buf->base);
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct peer *peer = listener->data;
	struct peer_request *conn = x_calloc(1, sizeof(*conn));

	assert(status == 0);
	conn->peer = peer;
	conn->tcp.data = conn;
	buf_init(&conn->in, REQUEST_MAX);
	uv_tcp_init(peer->loop, &conn->tcp);
	peer->handles++;
	peer->connections++;
	LIST_INSERT_HEAD(&peer->conns, conn, link);
	assert(uv_accept(listener, (uv_stream_t *)&conn->tcp) == 0);
	assert(uv_read_start((uv_stream_t *)&conn->tcp, on_alloc, on_read) == 0);
}

struct peer *peer_create(uv_loop_t *loop, peer_script_fn script, void *arg)
{
	struct peer *peer = x_calloc(1, sizeof(*peer));
	struct sockaddr_in address;
	int len = sizeof(address);

	peer->loop = loop;
	peer->script = script;
	peer->arg = arg;
	peer->handles = 1;
	peer->tcp.data = peer;
	LIST_INIT(&peer->conns);
	uv_tcp_init(loop, &peer->tcp);
	uv_ip4_addr("127.0.0.1", 0, &address);
	assert(uv_tcp_bind(&peer->tcp, (struct sockaddr *)&address, 0) == 0);
	assert(uv_listen((uv_stream_t *)&peer->tcp, 16, on_connection) == 0);
	assert(uv_tcp_getsockname(&peer->tcp, (struct sockaddr *)&address, &len) == 0);
	peer->port = ntohs(address.sin_port);
	snprintf(peer->url, sizeof(peer->url), "http://127.0.0.1:%d", peer->port);
	return peer;
}

int peer_port(const struct peer *peer)
{
	return peer->port;
}

const char *peer_url(const struct peer *peer)
{
	return peer->url;
}

unsigned peer_connections(const struct peer *peer)
{
	return peer->connections;
}

unsigned peer_requests(const struct peer *peer)
{
	return peer->requests;
}

const char *peer_method(const struct peer_request *conn)
{
	return conn->method;
}

const char *peer_target(const struct peer_request *conn)
{
	return conn->target;
}

const char *peer_body(const struct peer_request *conn)
{
	return conn->body;
}

bool peer_is(const struct peer_request *conn, const char *method, const char *path)
{
	size_t len = strcspn(conn->target, "?");

	return strcmp(conn->method, method) == 0 && strlen(path) == len &&
	       strncmp(conn->target, path, len) == 0;
}

/* ---- answering ---- */

static void on_written(uv_write_t *request, int status)
{
	struct write *write = (struct write *)request;

	(void)status;
	free(write->data);
	free(write);
}

void peer_raw(struct peer_request *conn, const void *data, size_t len)
{
	struct write *write = x_calloc(1, sizeof(*write));
	uv_buf_t buf;

	write->data = memcpy(x_calloc(1, len + 1), data, len);
	buf = uv_buf_init(write->data, (unsigned)len);
	assert(uv_write(&write->request, (uv_stream_t *)&conn->tcp, &buf, 1, on_written) == 0);
}

void peer_answer(struct peer_request *conn, int status, const char *headers, const char *body)
{
	char *text = x_asprintf("HTTP/1.1 %d Told\r\nContent-Type: application/json\r\n"
	                        "Content-Length: %zu\r\n%s\r\n%s",
	        status, strlen(body), headers ? headers : "", body);

	peer_raw(conn, text, strlen(text));
	free(text);
	forget_request(conn);
	take_request(conn); /* a pipelined one */
}

void peer_answer_json(struct peer_request *conn, int status, const char *format, ...)
{
	json_t *json;
	char *text;
	va_list args;

	va_start(args, format);
	json = json_vpack_ex(NULL, 0, format, args);
	va_end(args);
	assert(json);
	text = json_dumps(json, JSON_COMPACT);
	peer_answer(conn, status, NULL, text);
	free(text);
	json_decref(json);
}

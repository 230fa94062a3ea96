/*
 * server.c - see server.h: who may connect, and closing down. Connections are in conn.c, the
 * listening descriptor in listen.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/files.h"
#include "bot/base/log.h"
#include "bot/intake/conn.h"
#include "bot/intake/listen.h"

#define CLOSE_TIMEOUT_MS 2000
#define FEW_REFUSED 4
#define LOOK_MS 1000 /* interval of the check whether the socket file still exists */

struct server {
	uv_loop_t *loop;
	uv_pipe_t *pipe;  /* listening */
	uv_timer_t timer; /* checks the socket file; then limits the time of closing */
	unsigned handles; /* not yet closed */
	struct listen listen;
	struct server_events events;
	struct conn_list conns; /* including those rejected or closing */
	unsigned clients;       /* connections that are not rejected */
	unsigned refused;       /* the rejected ones */
	unsigned waiting;       /* unanswered requests of all connections */
	uint64_t accepted;      /* connections so far */

	uid_t *allow_uid;
	size_t allow_uid_len;
	gid_t *allow_gid;
	size_t allow_gid_len;
	unsigned max_clients;

	bool closing;
	void (*closed)(void *arg);
	void *closed_arg;
};

static void *copy_array(const void *items, size_t count, size_t size)
{
	if (count == 0)
		return NULL;
	return memcpy(x_calloc(count, size), items, count * size);
}

void server_configure(struct server *server, const struct config *config)
{
	free(server->allow_uid);
	free(server->allow_gid);
	server->allow_uid_len = config->socket.allow_uid_len;
	server->allow_gid_len = config->socket.allow_gid_len;
	server->allow_uid = copy_array(
	        config->socket.allow_uid, server->allow_uid_len, sizeof(*server->allow_uid));
	server->allow_gid = copy_array(
	        config->socket.allow_gid, server->allow_gid_len, sizeof(*server->allow_gid));
	server->max_clients = config->socket.max_clients;
}

static bool is_allowed(const struct server *server, const struct conn *conn)
{
	const struct alert_peer *peer = conn_peer(conn);

	if (server->allow_uid_len == 0 && server->allow_gid_len == 0)
		return true;
	for (size_t i = 0; i < server->allow_uid_len; i++)
		if (peer->uid == (int64_t)server->allow_uid[i])
			return true;
	for (size_t i = 0; i < server->allow_gid_len; i++)
		if (conn_peer_in_group(conn, server->allow_gid[i]))
			return true;
	return false;
}

/* ---- closing ---- */

static void server_maybe_closed(struct server *server)
{
	if (!server->closing || server->handles > 0 || !LIST_EMPTY(&server->conns))
		return;
	void (*closed)(void *arg) = server->closed;
	void *arg = server->closed_arg;
	listen_finish(&server->listen);
	free(server->allow_uid);
	free(server->allow_gid);
	free(server);
	closed(arg);
}

static void server_on_handle_closed(uv_handle_t *handle)
{
	struct server *server = handle->data;
	server->handles--;
	server_maybe_closed(server);
}

static void on_pipe_closed(uv_handle_t *handle)
{
	struct server *server = handle->data;

	free(handle);
	server->handles--;
	server_maybe_closed(server);
}

static void close_pipe(struct server *server)
{
	if (server->pipe)
		uv_close((uv_handle_t *)server->pipe, on_pipe_closed);
	server->pipe = NULL;
}

static void close_timer(struct server *server)
{
	if (!uv_is_closing((uv_handle_t *)&server->timer))
		uv_close((uv_handle_t *)&server->timer, server_on_handle_closed);
}

static void on_conn_closed(struct conn *conn, void *arg)
{
	struct server *server = arg;

	conn_list_remove(conn);
	if (conn_is_refused(conn))
		server->refused--;
	else
		server->clients--;
	if (server->closing && LIST_EMPTY(&server->conns))
		close_timer(server);
}

/* Calls act for each. A connection may close in it, but leaves the list only in a later
 * callback. */
static void for_each_conn(struct server *server, void (*act)(struct conn *conn))
{
	struct conn *conn, *next;

	for (conn = LIST_FIRST(&server->conns); conn; conn = next) {
		next = conn_list_next(conn);
		act(conn);
	}
}

static void on_close_timeout(uv_timer_t *timer)
{
	struct server *server = timer->data;

	log_warning("socket", "closed %u connections with answers pending",
	        server->clients + server->refused);
	for_each_conn(server, conn_abort);
}

void server_close(struct server *server, void (*closed)(void *arg), void *arg)
{
	server->closing = true;
	server->closed = closed;
	server->closed_arg = arg;
	listen_unlink(&server->listen);
	close_pipe(server);
	if (LIST_EMPTY(&server->conns))
		close_timer(server);
	else
		uv_timer_start(&server->timer, on_close_timeout, CLOSE_TIMEOUT_MS, 0);
	for_each_conn(server, conn_stop);
}

/* ---- accepting ---- */

static void server_on_request(
        const json_t *request, const struct alert_peer *peer, struct reply *reply, void *arg)
{
	const struct server *server = arg;
	server->events.on_request(request, peer, reply, server->events.arg);
}

static void server_on_http(int fd, void *arg)
{
	const struct server *server = arg;

	server->events.on_http(fd, server->events.arg);
}

/* Rejects a connection after its first line, or at once if too many rejected ones are open: fewer
 * when few descriptors are left. */
static void server_refuse(
        struct server *server, struct conn *conn, const char *err, const char *message, bool retry)
{
	bool few = files_are_few(conn_fd(conn));
	bool linger = server->refused < (few ? FEW_REFUSED : server->max_clients);

	log_seldom(LOG_WARNING, "socket", "", "refused: %s", message);
	conn_refuse(conn, err, message, retry, linger);
	server->refused++;
	server->clients--;
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct server *server = listener->data;
	const struct conn_events events = {
	        .on_request = server_on_request,
	        .on_closed = on_conn_closed,
	        .on_http = server->events.on_http ? server_on_http : NULL,
	        .arg = server,
	        .number = ++server->accepted,
	        .waiting = &server->waiting,
	};
	char message[96];

	if (status != 0) {
		log_seldom(LOG_WARNING, "socket", "", "cannot accept: %s", uv_strerror(status));
		return;
	}
	struct conn *conn = conn_accept(listener, &events);
	if (!conn)
		return;
	unsigned before = server->clients++;
	conn_list_insert(&server->conns, conn);
	if (!is_allowed(server, conn)) {
		snprintf(message, sizeof(message), "uid %lld may not use this socket",
		        (long long)conn_peer(conn)->uid);
		server_refuse(server, conn, "forbidden", message, false);
	} else if (before >= server->max_clients) {
		server_refuse(server, conn, "busy", "too many connections", true);
	} else if (files_are_few(conn_fd(conn))) {
		server_refuse(server, conn, "busy", "few file descriptors are left", true);
	} else {
		conn_start(conn);
	}
}

static void on_failed(void *arg)
{
}

/* Passes ownership of the listening descriptor to the pipe. */
static int server_listen(struct server *server)
{
	int rc;

	server->pipe = x_calloc(1, sizeof(*server->pipe));
	uv_pipe_init(server->loop, server->pipe, 0);
	server->pipe->data = server;
	server->handles++;
	rc = uv_pipe_open(server->pipe, server->listen.fd);
	if (rc == 0) {
		server->listen.fd = -1; /* owned by the pipe from here on */
		rc = uv_listen((uv_stream_t *)server->pipe, LISTEN_BACKLOG, on_connection);
	}
	return rc;
}

/* Creates the socket file again after somebody removed it: otherwise nobody could connect. */
static void server_renew(struct server *server)
{
	struct fault fault = {0};
	int rc = 0;

	if (listen_renew(&server->listen, &fault) == OK) {
		close_pipe(server);
		rc = server_listen(server);
		if (rc != 0) {
			close_pipe(server);
			fault_set(&fault, ERR_IO, "cannot listen: %s", uv_strerror(rc));
		}
	}
	if (fault.text[0])
		log_seldom(LOG_ERROR, "socket", "",
		        "the socket file is gone and cannot be created: %s; no app can connect, "
		        "retrying every "
		        "second",
		        fault.text);
	else
		log_warning("socket", "the socket file was removed: created %s again",
		        server->listen.path);
}

static void server_on_look(uv_timer_t *timer)
{
	struct server *server = timer->data;

	if (listen_is_lost(&server->listen))
		server_renew(server);
}

enum err server_create(struct server **out, uv_loop_t *loop, const struct config *config,
        const struct server_events *events, struct fault *fault)
{
	struct listen listen;
	enum err err = listen_init(&listen, config, fault);

	*out = NULL;
	if (err != OK)
		return err;
	struct server *server = x_calloc(1, sizeof(*server));
	server->loop = loop;
	server->listen = listen;
	server->events = *events;
	LIST_INIT(&server->conns);
	server_configure(server, config);
	uv_timer_init(loop, &server->timer);
	server->timer.data = server;
	server->handles = 1;
	uv_timer_start(&server->timer, server_on_look, LOOK_MS, LOOK_MS);

	int rc = server_listen(server);
	if (rc != 0) {
		server_close(server, on_failed, NULL);
		return fault_set(fault, ERR_IO, "cannot listen: %s", uv_strerror(rc));
	}
	*out = server;
	return OK;
}

unsigned server_clients(const struct server *server)
{
	return server->clients;
}

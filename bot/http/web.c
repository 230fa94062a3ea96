/*
 * web.c - see web.h: libmicrohttpd on the event loop.
 *
 * Happy path: a connection is accepted from TCP, or taken over from the Unix socket, and passed to
 * libmicrohttpd, whose epoll descriptor becomes readable when there is work; MHD_run() does it and
 * calls web_call.c.
 *
 * What can go wrong: there are too many connections, or few file descriptors are left: the next
 * connection is answered with 503 and closed.
 * A peer takes too long to send a request or to read its answer: its connection is closed, even if
 * single bytes still arrive. libmicrohttpd cannot be stopped while connections are suspended, so
 * closing waits for them (ops answers all pending requests when it closes).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/files.h"
#include "bot/base/log.h"
#include "bot/http/web_internal.h"

#define CONNECTION_MEMORY (32 * 1024) /* bytes, including the headers */
#define IDLE_SECONDS 60               /* between two requests, or without a byte received */
#define LOOK_MS 1000                  /* interval of the checks of connections and streams */
#define PULSE_LOOKS 15                /* a stream sends a sign of life after this many checks */

/* ---- the loop ---- */

static void web_on_timer(uv_timer_t *timer);

static void web_pump(struct web *web)
{
	MHD_UNSIGNED_LONG_LONG wait_ms;

	if (web->stopped)
		return;
	MHD_run(web->mhd);
	if (MHD_get_timeout(web->mhd, &wait_ms) == MHD_YES)
		uv_timer_start(&web->timer, web_on_timer, wait_ms, 0);
	else
		uv_timer_stop(&web->timer);
}

static void web_on_timer(uv_timer_t *timer)
{
	web_pump(timer->data);
}

static void web_on_readable(uv_poll_t *poll, int status, int events)
{
	web_pump(poll->data);
}

void web_wake(struct web *web)
{
	if (!web->stopped)
		uv_timer_start(&web->timer, web_on_timer, 0, 0);
}

/* ---- connections ---- */

static struct web_conn *web_conn_create(struct web *web, int fd)
{
	struct web_conn *conn = x_calloc(1, sizeof(*conn));
	socklen_t size = sizeof(int);
	struct ucred cred;
	int domain = 0;

	conn->fd = fd;
	conn->peer = (struct alert_peer){.uid = -1, .gid = -1, .pid = -1};
	conn->since_ms = clock_monotonic_ms();
	getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size);
	conn->local = domain == AF_UNIX;
	size = sizeof(cred);
	if (conn->local && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) == 0)
		conn->peer = (struct alert_peer){.uid = cred.uid, .gid = cred.gid, .pid = cred.pid};
	TAILQ_INSERT_TAIL(&web->conns, conn, link);
	web->conns_len++;
	return conn;
}

static void web_on_connection(void *arg, struct MHD_Connection *connection, void **place,
        enum MHD_ConnectionNotificationCode code)
{
	struct web *web = arg;
	struct web_conn *conn = *place;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		const union MHD_ConnectionInfo *info =
		        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

		*place = web_conn_create(web, (int)info->connect_fd);
		return;
	}
	TAILQ_REMOVE(&web->conns, conn, link);
	web->conns_len--;
	free(conn);
	*place = NULL;
}

/* libmicrohttpd does not always notice that a peer closed its connection between two requests. */
static bool web_conn_has_left(const struct web_conn *conn)
{
	char byte;

	return conn->idle && recv(conn->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/* Closes connections that exceed the time limit of a step: headers, body, reading the answer, or
 * the pause between requests. */
static void web_close_slow(struct web *web)
{
	int64_t now_ms = clock_monotonic_ms(), limit_ms = web->config->http.timeout_ms;
	struct web_conn *conn;

	TAILQ_FOREACH(conn, &web->conns, link)
	{
		int64_t most_ms = limit_ms + (conn->idle ? IDLE_SECONDS * CLOCK_SECOND_MS : 0);

		if (!conn->working &&
		        (now_ms - conn->since_ms > most_ms || web_conn_has_left(conn)))
			shutdown(conn->fd, SHUT_RDWR); /* libmicrohttpd notices this and closes */
	}
}

/* Takes ownership of fd. */
static void web_add(struct web *web, int fd, bool local)
{
	static const char full[] = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n"
	                           "Connection: close\r\nContent-Length: 0\r\n\r\n";
	struct sockaddr_storage address = {.ss_family = AF_UNIX};
	unsigned most = local ? WEB_CONNECTIONS_MAX : WEB_CONNECTIONS_TCP;

	if (web->closing || web->conns_len >= most || files_are_few(fd)) {
		send(fd, full, sizeof(full) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
		close(fd);
		log_seldom(LOG_WARNING, "http", "full", "too many connections: refused one");
		return;
	}
	if (MHD_add_connection(web->mhd, fd, (struct sockaddr *)&address, sizeof(sa_family_t)) !=
	        MHD_YES)
		log_seldom(LOG_WARNING, "http", "add", "could not accept a connection");
	else
		web_wake(web);
}

void web_take(struct web *web, int fd)
{
	web_add(web, fd, true);
}

static void web_on_accept(uv_poll_t *poll, int status, int events)
{
	struct web *web = poll->data;
	int fd = accept4(web->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd != -1)
		web_add(web, fd, false);
	else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
		log_seldom(LOG_ERROR, "http", "files", "cannot accept, trying again in %d s: %s",
		        LOOK_MS / 1000, strerror(errno));
		uv_poll_stop(poll); /* it stays readable */
	}
}

static void web_on_look(uv_timer_t *timer)
{
	struct web *web = timer->data;

	web_close_slow(web);
	if (web->listen_fd != -1)
		uv_poll_start(&web->accept, UV_READABLE, web_on_accept);
	if (web->changed || ++web->looks >= PULSE_LOOKS) {
		streams_tell(web, web->changed);
		web->changed = false;
		web->looks = 0;
	}
}

void web_changed(struct web *web)
{
	web->changed = true;
}

/* ---- creating and closing ---- */

static struct MHD_Daemon *web_start(struct web *web)
{
	struct MHD_OptionItem options[] = {
	        {MHD_OPTION_CONNECTION_LIMIT, WEB_CONNECTIONS_MAX, NULL},
	        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, NULL},
	        {MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS, NULL},
	        {MHD_OPTION_END, 0, NULL},
	};

	return MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET,
	        0, NULL, NULL, call_on_access, web, MHD_OPTION_NOTIFY_COMPLETED, call_on_completed,
	        web, MHD_OPTION_NOTIFY_CONNECTION, web_on_connection, web, MHD_OPTION_ARRAY,
	        options, MHD_OPTION_END);
}

static void web_free(struct web *web)
{
	if (web->listen_fd != -1)
		close(web->listen_fd);
	tokens_finish(&web->tokens);
	page_secrets_destroy(web->secrets);
	config_unref(web->config);
	free(web);
}

static void web_open_handles(struct web *web)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(web->mhd, MHD_DAEMON_INFO_EPOLL_FD);
	uv_loop_t *loop = web->env.loop;

	uv_poll_init(loop, &web->poll, info->epoll_fd);
	uv_timer_init(loop, &web->timer);
	uv_timer_init(loop, &web->look);
	uv_idle_init(loop, &web->turn);
	web->accept.data = web->poll.data = web->timer.data = web->look.data = web;
	web->turn.data = web;
	web->handles = 4;
	uv_poll_start(&web->poll, UV_READABLE, web_on_readable);
	uv_timer_start(&web->look, web_on_look, LOOK_MS, LOOK_MS);
	if (web->listen_fd != -1) {
		uv_poll_init(loop, &web->accept, web->listen_fd);
		uv_poll_start(&web->accept, UV_READABLE, web_on_accept);
		web->handles++;
	}
}

enum err web_create(
        struct web **out, const struct web_env *env, struct config *config, struct fault *fault)
{
	struct web *web = x_calloc(1, sizeof(*web));
	enum err err;

	*out = NULL;
	web->env = *env;
	web->config = config_ref(config);
	web->listen_fd = -1;
	web->secrets = page_secrets_create();
	TAILQ_INIT(&web->conns);
	TAILQ_INIT(&web->streams);
	TAILQ_INIT(&web->turns);
	err = tokens_read(&web->tokens, config, fault);
	if (err == OK)
		err = web_listen(&web->tokens, config->http.listen, &web->listen_fd, fault);
	if (err == OK) {
		web->mhd = web_start(web);
		if (!web->mhd)
			err = fault_set(fault, ERR_IO, "[http] cannot start: %s", strerror(errno));
	}
	if (err) {
		web_free(web);
		return err;
	}
	web_open_handles(web);
	if (config->http.listen)
		log_info("http", "listening on %s", config->http.listen);
	*out = web;
	return OK;
}

enum err web_check(const struct config *config, struct fault *fault)
{
	struct tokens tokens;
	enum err err = tokens_read(&tokens, config, fault);

	tokens_finish(&tokens);
	return err;
}

void web_configure(struct web *web, struct config *config)
{
	struct fault fault = {0};
	struct tokens fresh;

	if (tokens_read(&fresh, config, &fault) != OK) {
		log_error("http", "%s; keeping the previous tokens", fault.text);
		return;
	}
	tokens_finish(&web->tokens);
	web->tokens = fresh;
	config_replace(&web->config, config);
	streams_end(web); /* a page that still exists reconnects */
}

static void web_on_handle_closed(uv_handle_t *handle)
{
	struct web *web = handle->data;
	void (*closed)(void *arg) = web->closed;
	void *arg = web->closed_arg;

	if (--web->handles > 0)
		return;
	web_free(web);
	closed(arg);
}

/* Stops libmicrohttpd, unless an answer is pending. */
static void web_maybe_stop(struct web *web)
{
	if (web->stopped || web->pending > 0 || !TAILQ_EMPTY(&web->turns))
		return;
	MHD_run(web->mhd); /* sends the answers resumed last */
	web->stopped = true;
	MHD_stop_daemon(web->mhd);
	uv_close((uv_handle_t *)&web->poll, web_on_handle_closed);
	uv_close((uv_handle_t *)&web->timer, web_on_handle_closed);
	uv_close((uv_handle_t *)&web->look, web_on_handle_closed);
	uv_close((uv_handle_t *)&web->turn, web_on_handle_closed);
	if (web->listen_fd != -1)
		uv_close((uv_handle_t *)&web->accept, web_on_handle_closed);
}

static void web_on_closing(uv_timer_t *timer)
{
	web_maybe_stop(timer->data);
}

void web_close(struct web *web, void (*closed)(void *arg), void *arg)
{
	web->closing = true;
	web->closed = closed;
	web->closed_arg = arg;
	if (web->listen_fd != -1)
		uv_poll_stop(&web->accept);
	streams_end(web);
	/* from the loop, since an answer may arrive inside MHD_run() */
	uv_timer_start(&web->look, web_on_closing, 0, 20);
}

/*
 * http.c - see http.h: the glue between curl's multi interface and the loop. What one request
 * is made of is in http_request.c.
 *
 * curl reports which sockets it waits for (on_socket) and when it wants to be called without one
 * (on_timer). Both callbacks only record that; curl is called from the loop only, and each call is
 * followed by http_drain(), since any of them may finish any transfer. Canceled and refused
 * requests, and the end of closing, wait for the `soon` timer, so that nothing is freed while a
 * caller still uses it.
 *
 * We close sockets ourselves (on_close_socket), after the poll handle was stopped: otherwise the
 * descriptor could be reused for another socket while the loop still watches the old one.
 *
 * A connection stays watched for reading between two requests, which saves seven system calls a
 * request. What the homeserver sends meanwhile, as a rule that it closes the connection, ends that,
 * and curl sees it before it uses the connection again.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/log.h"
#include "bot/matrix/http_request.h"

#define CONNECTIONS_KEPT 8

struct watch {
	LIST_ENTRY(watch) link; /* http::watches */
	uv_poll_t poll;
	struct http *http;
	curl_socket_t fd;
	int events;  /* UV_READABLE, UV_WRITABLE */
	bool unused; /* no request is on the connection */
};

struct http {
	uv_loop_t *loop;
	CURLM *multi;
	uv_timer_t timer; /* curl's */
	uv_timer_t soon;
	unsigned handles; /* not yet closed, watches included */
	LIST_HEAD(, watch) watches;
	struct http_requests running; /* in the multi handle */
	struct http_requests ended;   /* their callback has not run yet */
	struct http_settings settings;
	struct http_date date; /* of the last answer */
	bool closing;
	void (*closed)(void *arg);
	void *closed_arg;
};

/* ---- closing ---- */

static void http_on_handle_closed(struct http *http)
{
	void (*closed)(void *arg) = http->closed;
	void *arg = http->closed_arg;

	if (--http->handles > 0)
		return;
	http_settings_finish(&http->settings);
	free(http);
	curl_global_cleanup();
	closed(arg);
}

static void on_watch_closed(uv_handle_t *handle)
{
	struct watch *watch = handle->data;
	struct http *http = watch->http;

	free(watch);
	http_on_handle_closed(http);
}

static void http_on_timer_closed(uv_handle_t *handle)
{
	http_on_handle_closed(handle->data);
}

/* ---- sockets ---- */

static void http_drain(struct http *http);

static void watch_close(struct watch *watch)
{
	LIST_REMOVE(watch, link);
	uv_poll_stop(&watch->poll);
	uv_close((uv_handle_t *)&watch->poll, on_watch_closed);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct watch *watch = poll->data;
	struct http *http = watch->http;
	int flags = 0, running;

	if (watch->unused) {
		watch_close(watch);
		return;
	}
	if (status < 0) {
		/* libuv stops watching a socket with an error; curl will get the error by reading
		 * or writing, after the data received before it */
		events = watch->events;
		flags = CURL_CSELECT_ERR;
		uv_poll_start(poll, watch->events, on_poll);
	}
	if (events & UV_READABLE)
		flags |= CURL_CSELECT_IN;
	if (events & UV_WRITABLE)
		flags |= CURL_CSELECT_OUT;
	curl_multi_socket_action(http->multi, watch->fd, flags, &running);
	http_drain(http);
}

static struct watch *watch_find(struct http *http, curl_socket_t fd)
{
	struct watch *watch;

	LIST_FOREACH(watch, &http->watches, link)
	{
		if (watch->fd == fd)
			return watch;
	}
	return NULL;
}

static struct watch *watch_create(struct http *http, curl_socket_t fd)
{
	struct watch *watch = x_calloc(1, sizeof(*watch));
	int result = uv_poll_init_socket(http->loop, &watch->poll, fd);

	if (result < 0) {
		/* the request ends by its own time-out */
		log_error("http", "cannot watch a socket: %s", uv_strerror(result));
		free(watch);
		return NULL;
	}
	watch->poll.data = watch;
	watch->http = http;
	watch->fd = fd;
	http->handles++;
	LIST_INSERT_HEAD(&http->watches, watch, link);
	return watch;
}

/* CURLMOPT_SOCKETFUNCTION */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *unused)
{
	struct http *http = arg;
	struct watch *watch = watch_find(http, fd);
	int events = 0;

	(void)easy;
	(void)unused;
	if (!watch && what != CURL_POLL_REMOVE)
		watch = watch_create(http, fd);
	if (!watch)
		return 0;
	watch->unused = what == CURL_POLL_REMOVE;
	if (watch->unused) /* a loop that waits for requests alone ends without it */
		uv_unref((uv_handle_t *)&watch->poll);
	else
		uv_ref((uv_handle_t *)&watch->poll);
	if (what == CURL_POLL_IN || what == CURL_POLL_INOUT || watch->unused)
		events |= UV_READABLE;
	if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
		events |= UV_WRITABLE;
	if (events != watch->events) /* libuv takes the socket out of epoll first */
		uv_poll_start(&watch->poll, events, on_poll);
	watch->events = events;
	return 0;
}

/* CURLOPT_CLOSESOCKETFUNCTION */
static int on_close_socket(void *arg, curl_socket_t fd)
{
	struct http *http = arg;
	struct watch *watch = watch_find(http, fd);

	if (watch)
		watch_close(watch);
	return close(fd);
}

/* ---- time ---- */

static void on_timeout(uv_timer_t *timer)
{
	struct http *http = timer->data;
	int running;

	curl_multi_socket_action(http->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	http_drain(http);
}

/* CURLMOPT_TIMERFUNCTION */
static int http_on_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct http *http = arg;

	(void)multi;
	if (timeout_ms < 0)
		uv_timer_stop(&http->timer);
	else
		uv_timer_start(&http->timer, on_timeout, (uint64_t)timeout_ms, 0);
	return 0;
}

/* ---- the end of requests ---- */

static void http_drain(struct http *http)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(http->multi, &left))) {
		struct http_request *request;
		CURLcode result = message->data.result;
		CURL *easy = message->easy_handle;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&request);
		curl_multi_remove_handle(http->multi, easy);
		TAILQ_REMOVE(&http->running, request, link);
		http_request_end(request, result);
		if (request->code == OK)
			http_request_date(request, &http->date);
		http_request_deliver(request); /* may start, cancel, close */
	}
}

static void on_soon(uv_timer_t *timer)
{
	struct http *http = timer->data;
	struct http_requests now = TAILQ_HEAD_INITIALIZER(now);
	struct http_request *request;

	TAILQ_CONCAT(&now, &http->ended, link);
	while ((request = TAILQ_FIRST(&now))) {
		TAILQ_REMOVE(&now, request, link);
		http_request_deliver(request);
	}
	if (!http->closing || !TAILQ_EMPTY(&http->ended))
		return;                  /* in the second case the timer was restarted */
	curl_multi_cleanup(http->multi); /* closes idle connections */
	uv_close((uv_handle_t *)&http->timer, http_on_timer_closed);
	uv_close((uv_handle_t *)&http->soon, http_on_timer_closed);
}

static void end_soon(struct http *http, struct http_request *request, enum err err)
{
	request->code = err;
	request->is_ended = true;
	TAILQ_INSERT_TAIL(&http->ended, request, link);
	uv_timer_start(&http->soon, on_soon, 0, 0);
}

/* ---- the interface ---- */

static void *take_memory(size_t size)
{
	return x_realloc(NULL, size);
}

enum err http_create(struct http **out, uv_loop_t *loop, const struct http_options *options)
{
	struct http *http;

	*out = NULL;
	/* out of memory ends the process, as elsewhere, so that curl never silently omits a
	 * header */
	if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, take_memory, free, x_realloc, x_strdup,
	            x_calloc) != CURLE_OK)
		return ERR_UNSUPPORTED;
	http = x_calloc(1, sizeof(*http));
	http->loop = loop;
	http->multi = curl_multi_init();
	if (!http->multi) {
		free(http);
		curl_global_cleanup();
		return ERR_UNSUPPORTED;
	}
	LIST_INIT(&http->watches);
	TAILQ_INIT(&http->running);
	TAILQ_INIT(&http->ended);
	http_settings_init(&http->settings, options, on_close_socket, http);
	uv_timer_init(loop, &http->timer);
	uv_timer_init(loop, &http->soon);
	http->timer.data = http->soon.data = http;
	http->handles = 2;
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, http_on_timer);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
	curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_KEPT);
	curl_multi_setopt(http->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
	*out = http;
	return OK;
}

struct http_request *http_start(
        struct http *http, const struct http_call *call, http_done_fn done, void *arg)
{
	struct http_request *request = http_request_create(http, done, arg);

	if (http->closing) {
		end_soon(http, request, ERR_CANCELED);
		return request;
	}
	if (http_request_prepare(request, call, &http->settings) != OK ||
	        curl_multi_add_handle(http->multi, request->easy) != CURLM_OK) {
		end_soon(http, request, ERR_INVALID);
		return request;
	}
	TAILQ_INSERT_TAIL(&http->running, request, link);
	return request;
}

struct http_request *http_refuse(struct http *http, enum err err, http_done_fn done, void *arg)
{
	struct http_request *request = http_request_create(http, done, arg);

	assert(err != OK);
	end_soon(http, request, err);
	return request;
}

void http_cancel(struct http_request *request)
{
	struct http *http = request->http;

	if (request->is_ended) {
		request->code = ERR_CANCELED;
		return;
	}
	curl_multi_remove_handle(http->multi, request->easy);
	TAILQ_REMOVE(&http->running, request, link);
	end_soon(http, request, ERR_CANCELED);
}

int64_t http_skew_ms(const struct http *http)
{
	return http_date_skew_ms(&http->date);
}

void http_close(struct http *http, void (*closed)(void *arg), void *arg)
{
	struct http_request *request;

	assert(!http->closing);
	http->closing = true;
	http->closed = closed;
	http->closed_arg = arg;
	while ((request = TAILQ_FIRST(&http->running)))
		http_cancel(request);
	uv_timer_start(&http->soon, on_soon, 0, 0);
}

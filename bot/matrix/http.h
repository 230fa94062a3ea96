/*
 * http.h - HTTP requests by libcurl's multi interface, driven by the libuv loop.
 *
 * Happy path: http_start() hands an easy handle to the multi handle; curl asks for sockets
 * (uv_poll) and one timer; after every socket_action the finished transfers are drained and their
 * callbacks run. Failures (DNS, connect, TLS, reset, time-out, too large an answer) are reported
 * with code ERR_NET, ERR_TIMEOUT or ERR_TOO_LARGE and status 0.
 *
 * The callback runs exactly once for each started request, never before http_start() returns;
 * after http_cancel() it runs with ERR_CANCELED from the loop. Callbacks may start and cancel
 * requests.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>
#include "bot/base/err.h"

struct http;
struct http_request;

struct http_options {
	const char *proxy;   /* NULL = from the environment */
	const char *ca_file; /* NULL = system store */
	const char *user_agent;
};

struct http_call {
	const char *method; /* "GET", "PUT", … */
	const char *url;    /* copied */
	const char *bearer; /* access token or NULL; copied and wiped */
	const char *body;   /* copied; NULL = none */
	size_t body_len;
	const char *content_type; /* NULL = application/json */
	int64_t timeout_ms;       /* whole request */
	size_t max_answer;        /* bytes; more ends in ERR_TOO_LARGE */
	unsigned redirects;       /* followed at most, https only unless url is http; 0 = none,
	                             and always 0 with a bearer */
};

struct http_result {
	enum err code;    /* OK when an answer came, whatever its status */
	long status;      /* 0 = no answer */
	const char *body; /* terminated; valid during the callback */
	size_t body_len;
	int64_t retry_after_ms; /* from the header; -1 = none */
	int64_t duration_ms;
	bool sent;       /* the request may have reached the server */
	char error[128]; /* for people; never holds the token */
};

typedef void (*http_done_fn)(const struct http_result *result, void *arg);

enum err http_create(struct http **out, uv_loop_t *loop, const struct http_options *options);
struct http_request *http_start(
        struct http *http, const struct http_call *call, http_done_fn done, void *arg);
/* Ends the request with ERR_CANCELED. Not allowed once its callback has begun. */
void http_cancel(struct http_request *request);
/* A request that is not sent: its callback gets the code, from the loop. */
struct http_request *http_refuse(struct http *http, enum err code, http_done_fn done, void *arg);
/* How far this machine's clock is ahead of that of the server which answered last; 0 = it agrees
 * within a second, or no answer told a time. */
int64_t http_skew_ms(const struct http *http);
/* Cancels all requests, then calls closed(arg) once and frees. */
void http_close(struct http *http, void (*closed)(void *arg), void *arg);

/*
 * http_request.h - one HTTP request: its curl handle's options, its answer, its result. For
 * http.c alone.
 */
#pragma once

#include <curl/curl.h>
#include <sys/queue.h>
#include "bot/base/buf.h"
#include "bot/matrix/http.h"

/* Settings shared by all requests of a struct http. */
struct http_settings {
	char *proxy, *ca_file, *user_agent; /* owned, NULL = default */
	curl_closesocket_callback close_socket;
	void *close_socket_arg;
};

struct http_request {
	TAILQ_ENTRY(http_request) link; /* http::running or http::ended */
	struct http *http;
	CURL *easy;                 /* NULL when it could not be created */
	struct curl_slist *headers; /* holds the token */
	char *body_out;
	size_t body_out_len;
	struct buf body_in;
	bool too_large;
	bool sent;
	bool is_ended; /* the result is known, the callback has not run yet */
	enum err code;
	int64_t start_ms; /* monotonic */
	char error[CURL_ERROR_SIZE];
	http_done_fn done;
	void *arg;
};

TAILQ_HEAD(http_requests, http_request);

void http_settings_init(struct http_settings *settings, const struct http_options *options,
        curl_closesocket_callback close_socket, void *arg);
void http_settings_finish(struct http_settings *settings);

struct http_request *http_request_create(struct http *http, http_done_fn done, void *arg);
/* Creates the curl handle; ERR_INVALID when a header's value or the URL is invalid. */
enum err http_request_prepare(struct http_request *request, const struct http_call *call,
        const struct http_settings *settings);
/* Stores the result of curl's transfer. */
void http_request_end(struct http_request *request, CURLcode result);
/* When an answer came, by both clocks; the server's as its header Date says it, "" = not at all. */
struct http_date {
	char text[40];
	int64_t now_ms, took_ms;
};

/* While the answer is there. */
void http_request_date(const struct http_request *request, struct http_date *date);
/* See http_skew_ms(). */
int64_t http_date_skew_ms(const struct http_date *date);
/* Calls back and frees. The handle must have been removed from the multi handle. */
void http_request_deliver(struct http_request *request);

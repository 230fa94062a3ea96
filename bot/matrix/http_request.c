/*
 * http_request.c - see http_request.h.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/text.h"
#include "bot/matrix/http_request.h"

#define CONNECT_TIMEOUT_MS 10000L
#define RECEIVE_BUFFER 4096 /* bytes */
#define KEEPALIVE_S 30L
#define UNACKED_MAX_MS 20000U
#define RETRY_AFTER_MAX_S 86400

void http_settings_init(struct http_settings *settings, const struct http_options *options,
        curl_closesocket_callback close_socket, void *arg)
{
	settings->proxy = x_strdup_opt(options->proxy);
	settings->ca_file = x_strdup_opt(options->ca_file);
	settings->user_agent = x_strdup_opt(options->user_agent);
	settings->close_socket = close_socket;
	settings->close_socket_arg = arg;
}

void http_settings_finish(struct http_settings *settings)
{
	free(settings->proxy);
	free(settings->ca_file);
	free(settings->user_agent);
}

struct http_request *http_request_create(struct http *http, http_done_fn done, void *arg)
{
	struct http_request *request = x_calloc(1, sizeof(*request));

	request->http = http;
	request->done = done;
	request->arg = arg;
	request->start_ms = clock_monotonic_ms();
	return request;
}

/* ---- curl's callbacks ---- */

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
	struct http_request *request = arg;

	buf_add(&request->body_in, data, size * count);
	if (request->body_in.overflow) {
		request->too_large = true;
		return CURL_WRITEFUNC_ERROR;
	}
	return size * count;
}

/* CURLOPT_PREREQFUNCTION: called once the connection is established, before the first byte is
 * sent. */
static int on_before_request(void *arg, char *peer, char *own, int peer_port, int own_port)
{
	struct http_request *request = arg;

	(void)peer;
	(void)own;
	(void)peer_port;
	(void)own_port;
	request->sent = true;
	return CURL_PREREQFUNC_OK;
}

/*
 * A peer that vanished is detected by TCP: it no longer acknowledges data. Time-outs alone are not
 * enough, since with HTTP/2 they end a stream but keep the dead connection in use.
 */
static int on_new_socket(void *arg, curl_socket_t fd, curlsocktype purpose)
{
	unsigned limit = UNACKED_MAX_MS;

	(void)arg;
	if (purpose == CURLSOCKTYPE_IPCXN)
		setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &limit, sizeof(limit));
	return CURL_SOCKOPT_OK;
}

/* ---- the curl handle ---- */

static void add_header(struct http_request *request, const char *name, const char *value)
{
	char *line = *value ? x_asprintf("%s: %s", name, value) : x_asprintf("%s:", name);

	request->headers = curl_slist_append(request->headers, line);
	x_wipe_free_str(line);
}

/* A header's value must not contain a line break. */
static bool is_header_value(const char *value)
{
	for (; *value; value++)
		if ((unsigned char)*value < 0x20 || *value == 0x7f)
			return false;
	return true;
}

static void set_method(struct http_request *request, const struct http_call *call)
{
	CURL *easy = request->easy;

	if (call->body) {
		request->body_out = x_calloc(1, call->body_len + 1);
		request->body_out_len = call->body_len;
		memcpy(request->body_out, call->body, call->body_len);
		curl_easy_setopt(easy, CURLOPT_POST, 1L);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body_out);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body_len);
		add_header(request, "Content-Type",
		        call->content_type ? call->content_type : "application/json");
		add_header(request, "Expect", ""); /* saves a round trip before a large body */
	}
	if (strcmp(call->method, call->body ? "POST" : "GET") != 0)
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, call->method);
}

static void set_transport(struct http_request *request, const struct http_settings *settings)
{
	CURL *easy = request->easy;

	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	/* so that ending a request does not block the loop while a name server does not answer */
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
	/* held for as long as a request lasts, and the long poll of /sync lasts always; longer
	 * answers are read in parts */
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)RECEIVE_BUFFER);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, KEEPALIVE_S);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, KEEPALIVE_S);
	curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, on_new_socket);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, settings->close_socket);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, settings->close_socket_arg);
	if (settings->proxy)
		curl_easy_setopt(easy, CURLOPT_PROXY, settings->proxy);
	if (settings->ca_file)
		curl_easy_setopt(easy, CURLOPT_CAINFO, settings->ca_file);
	if (settings->user_agent)
		curl_easy_setopt(easy, CURLOPT_USERAGENT, settings->user_agent);
}

enum err http_request_prepare(struct http_request *request, const struct http_call *call,
        const struct http_settings *settings)
{
	CURL *easy = request->easy = curl_easy_init();
	bool follow = call->redirects > 0 && !call->bearer;

	if (!easy || (call->bearer && !is_header_value(call->bearer)))
		return ERR_INVALID;
	if (curl_easy_setopt(easy, CURLOPT_URL, call->url) != CURLE_OK)
		return ERR_INVALID;
	set_transport(request, settings);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR,
	        strncmp(call->url, "http:", 5) == 0 ? "http,https" : "https");
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, follow ? 1L : 0L);
	curl_easy_setopt(easy, CURLOPT_MAXREDIRS, (long)call->redirects);
	set_method(request, call);
	if (call->bearer) {
		char *value = x_asprintf("Bearer %s", call->bearer);

		add_header(request, "Authorization", value);
		x_wipe_free_str(value);
	}
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, request->headers);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)call->timeout_ms);
	buf_init(&request->body_in, call->max_answer);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, request);
	curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_before_request);
	curl_easy_setopt(easy, CURLOPT_PREREQDATA, request);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, request->error);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, request);
	return OK;
}

/* ---- the end ---- */

void http_request_end(struct http_request *request, CURLcode result)
{
	if (result == CURLE_OK)
		request->code = OK;
	else if (request->too_large)
		request->code = ERR_TOO_LARGE;
	else if (result == CURLE_OPERATION_TIMEDOUT)
		request->code = ERR_TIMEOUT;
	else if (result == CURLE_URL_MALFORMAT || result == CURLE_UNSUPPORTED_PROTOCOL)
		request->code = ERR_INVALID;
	else
		request->code = ERR_NET;
	if (result != CURLE_OK && request->error[0] == '\0')
		strncpy(request->error, curl_easy_strerror(result), sizeof(request->error) - 1);
}

void http_request_date(const struct http_request *request, struct http_date *date)
{
	struct curl_header *header;

	*date = (struct http_date){
	        .now_ms = clock_now_ms(),
	        .took_ms = clock_monotonic_ms() - request->start_ms,
	};
	if (curl_easy_header(request->easy, "Date", 0, CURLH_HEADER, -1, &header) == CURLHE_OK &&
	        strlen(header->value) < sizeof(date->text))
		snprintf(date->text, sizeof(date->text), "%s", header->value);
}

/* The header Date has whole seconds, and any time from the request to the end of its answer. */
int64_t http_date_skew_ms(const struct http_date *date)
{
	int64_t date_ms = (int64_t)curl_getdate(date->text, NULL) * CLOCK_SECOND_MS;

	if (date_ms < 0)
		return 0;
	if (date_ms > date->now_ms)
		return date->now_ms - date_ms;
	date_ms += CLOCK_SECOND_MS + date->took_ms;
	return date_ms < date->now_ms ? date->now_ms - date_ms : 0;
}

static void fill_error(struct http_result *result, const struct http_request *request)
{
	struct buf text;
	size_t len;

	buf_init(&text, sizeof(request->error) * 4);
	text_add_plain(&text, request->error, sizeof(result->error) - 1, TEXT_FOLD_NEWLINES);
	if (text.len == 0)
		buf_add_str(&text, err_text(request->code));
	len = text.len;
	if (len >= sizeof(result->error)) {
		len = sizeof(result->error) - 1;
		while (len > 0 && ((unsigned char)text.data[len] & 0xC0) == 0x80)
			len--; /* do not cut inside a code point */
	}
	memcpy(result->error, buf_str(&text), len);
	buf_finish(&text);
}

static void wipe_headers(struct curl_slist *list)
{
	for (struct curl_slist *item = list; item; item = item->next)
		explicit_bzero(item->data, strlen(item->data));
	curl_slist_free_all(list);
}

void http_request_deliver(struct http_request *request)
{
	struct http_result result = {
	        .code = request->code,
	        .body = "",
	        .retry_after_ms = -1,
	        .duration_ms = clock_monotonic_ms() - request->start_ms,
	        .sent = request->sent,
	};
	curl_off_t retry_after_s = 0;

	if (request->code == OK) {
		curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &result.status);
		curl_easy_getinfo(request->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
		if (retry_after_s > RETRY_AFTER_MAX_S)
			retry_after_s = RETRY_AFTER_MAX_S;
		if (retry_after_s > 0) /* curl reports 0 when there is none */
			result.retry_after_ms = retry_after_s * CLOCK_SECOND_MS;
		result.body = buf_str(&request->body_in);
		result.body_len = request->body_in.len;
	} else {
		fill_error(&result, request);
	}
	request->done(&result, request->arg);
	if (request->easy)
		curl_easy_cleanup(request->easy);
	wipe_headers(request->headers);
	buf_finish(&request->body_in);
	x_wipe_free(request->body_out, request->body_out_len); /* may hold a password */
	free(request);
}

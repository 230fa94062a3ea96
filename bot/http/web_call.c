/*
 * web_call.c - one HTTP request, from its headers to its answer.
 *
 * Happy path: after the headers, authorization is checked; the body is received; the connection is
 * suspended; in its turn the endpoint makes requests of the socket protocol; the last of their
 * answers, from which the endpoint makes one, resumes the connection. A call that makes no requests
 * is answered in its turn.
 *
 * What can go wrong: it is not authorized, or there is no such endpoint: the answer is sent before
 * the body is read, and the connection is closed. The body is over the limit: 413, once that is
 * known; the same if its JSON would take too much memory. What all large requests take together is
 * over its limit, too many read at once, or the daemon is stopping: 503. Peers do not read large
 * answers: others get short ones, 503 where nothing was changed.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/json_weight.h"
#include "bot/base/log.h"
#include "bot/http/web_internal.h"
#include "bot/intake/reply_json.h"

/* The page loads nothing from elsewhere; other pages can neither embed it nor send its forms. */
#define POLICY                                                                          \
	"default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; " \
	"img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

/* ---- answers ---- */

void call_text(struct web_call *call, unsigned status, const char *type, const char *text)
{
	buf_reset(&call->text);
	buf_add_str(&call->text, text);
	call->status = status;
	call->type = type;
	call->ready = true;
}

void call_json(struct web_call *call, unsigned status, json_t *object)
{
	char *text = json_dumps(object, JSON_COMPACT | JSON_ENCODE_ANY);

	call_text(call, status, "application/json", text ? text : "{}");
	buf_add_char(&call->text, '\n');
	free(text);
	json_decref(object);
}

void call_error(struct web_call *call, unsigned status, const char *format, ...)
{
	char message[256];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	/* Alertmanager's clients read a string. */
	if (call->endpoint && strncmp(call->endpoint->path, "/api/", 5) == 0)
		call_json(call, status, json_string(message));
	else
		call_json(call, status, json_pack("{s:b, s:s}", "ok", 0, "message", message));
}

static void call_add_header(
        struct MHD_Response *response, const char *name, const struct buf *value)
{
	if (value->len > 0)
		MHD_add_response_header(response, name, value->data);
}

/* Frees what a request and its answers take in memory. */
static void call_drop_input(struct web_call *call)
{
	call_weigh_nothing(call);
	call->web->bodies -= call->body.len;
	buf_finish(&call->body);
	json_decref(call->requests);
	json_decref(call->answers);
	call->requests = call->answers = NULL;
}

static bool call_reads(const struct web_call *call)
{
	return call->endpoint->right == TOKEN_READ;
}

/* The answer stays in memory until the peer has read it. */
static void call_hold_answer(struct web_call *call)
{
	struct web *web = call->web;

	call_drop_input(call);
	if (call->text.len > WEB_SMALL && web->answers + call->text.len > WEB_ANSWERS_MAX) {
		if (call_reads(call))
			call_error(call, MHD_HTTP_SERVICE_UNAVAILABLE,
			        "too many large answers are not read yet");
		else
			call_json(call, call->status, json_object());
	}
	call->held = call->text.len;
	web->answers += call->held;
}

static struct MHD_Response *call_response(struct web_call *call)
{
	struct MHD_Response *response = call->stream ? stream_create(call) : NULL;
	char *text;

	if (call->stream && !response)
		call_error(call, MHD_HTTP_SERVICE_UNAVAILABLE, "too many pages are open");
	if (response)
		return response;
	call_hold_answer(call);
	text = buf_take(&call->text);
	response = MHD_create_response_from_buffer(call->held, text, MHD_RESPMEM_MUST_FREE);
	if (!response)
		free(text);
	return response;
}

static enum MHD_Result call_queue(struct web_call *call)
{
	struct MHD_Response *response = call_response(call);
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, "Content-Type", call->type);
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	MHD_add_response_header(response, "Cache-Control", "no-store");
	if (call->endpoint && call->endpoint->page) {
		MHD_add_response_header(response, "Content-Security-Policy", POLICY);
		MHD_add_response_header(response, "Referrer-Policy", "same-origin");
		MHD_add_response_header(response, "Cross-Origin-Opener-Policy", "same-origin");
		MHD_add_response_header(response, "Cross-Origin-Resource-Policy", "same-origin");
	}
	if (call->status == MHD_HTTP_SERVICE_UNAVAILABLE)
		MHD_add_response_header(response, "Retry-After", "1");
	if (call->status == MHD_HTTP_UNAUTHORIZED)
		MHD_add_response_header(response, "WWW-Authenticate",
		        call->endpoint && call->endpoint->page
		                ? "Basic realm=\"matrix-telemetry-bot\""
		                : "Bearer");
	call_add_header(response, "Set-Cookie", &call->cookie);
	call_add_header(response, "Location", &call->location);
	call_add_header(response, "Allow", &call->allow);
	result = MHD_queue_response(call->connection, call->status, response);
	MHD_destroy_response(response);
	call->conn->since_ms = clock_monotonic_ms();
	return result;
}

/* ---- the socket protocol ---- */

const char *call_query(struct web_call *call, const char *name)
{
	return MHD_lookup_connection_value(call->connection, MHD_GET_ARGUMENT_KIND, name);
}

const char *call_header(struct web_call *call, const char *name)
{
	const char *value = MHD_lookup_connection_value(call->connection, MHD_HEADER_KIND, name);

	return value ? value : "";
}

void call_request(struct web_call *call, json_t *request)
{
	json_array_append_new(call->requests, request);
	json_array_append_new(call->answers, json_null());
}

void call_refuse_element(struct web_call *call, const char *field, const char *message)
{
	json_array_append_new(call->requests, json_null());
	json_array_append_new(call->answers, answer_error("invalid", field, message, false));
}

bool call_batch_fits(struct web_call *call, size_t len)
{
	if (len > WEB_BATCH_MAX)
		call_error(call, MHD_HTTP_CONTENT_TOO_LARGE, "at most %d alerts", WEB_BATCH_MAX);
	return len <= WEB_BATCH_MAX;
}

/* The context of a request handed in. */
struct answer {
	struct web_call *call;
	size_t index;
};

static void call_complete(struct web_call *call)
{
	if (call->endpoint->finish)
		call->endpoint->finish(call);
	else
		call_finish_op(call);
}

/* The answer can be sent. */
static void call_resume(struct web_call *call)
{
	call->conn->working = false;
	call->conn->since_ms = clock_monotonic_ms();
	MHD_resume_connection(call->connection);
	web_wake(call->web);
}

static void call_on_answered(const json_t *answer, void *arg)
{
	struct answer *waited = arg;
	struct web_call *call = waited->call;

	call->web->pending--;
	json_array_set(call->answers, waited->index, (json_t *)answer);
	free(waited);
	if (--call->pending > 0)
		return;
	call_complete(call);
	if (!call->suspended)
		return;
	call->suspended = false;
	call->web->reads -= call_reads(call);
	call_resume(call);
}

static void call_hand_in(struct web_call *call, size_t index, json_t *request)
{
	struct answer *waited = x_calloc(1, sizeof(*waited));
	struct web *web = call->web;

	*waited = (struct answer){call, index};
	web->pending++;
	web->env.on_request(
	        request, &call->peer, reply_create_for(call_on_answered, waited), web->env.arg);
}

/* ---- requests ---- */

static void call_refuse(struct web_call *call, unsigned status, const char *why)
{
	log_seldom(LOG_WARNING, "http", why, "refused: %s %s: %s", call->endpoint->method,
	        call->endpoint->path, why);
	call_error(call, status, "%s", why);
}

/* DNS rebinding can point a foreign name to this host, so without tokens the Host header must be an
 * address or localhost. */
static bool call_host_is_ours(struct web_call *call)
{
	const char *host = call_header(call, "Host");
	size_t len = strcspn(host, ":");

	return host[0] == '[' || strspn(host, "0123456789.") >= len ||
	       (len == 9 && strncasecmp(host, "localhost", 9) == 0);
}

/* Authorizes a TCP request when no tokens are configured. */
static void call_authorize_open(struct web_call *call)
{
	unsigned right = call->endpoint->right;

	/* a page of another site, open in a browser on this host, could send requests, too */
	if (!call_host_is_ours(call) ||
	        (right != TOKEN_READ &&
	                (*call_header(call, "Origin") || *call_header(call, "Sec-Fetch-Site"))))
		call_refuse(call, MHD_HTTP_FORBIDDEN,
		        "without a token in the config, browsers are refused: set [http] "
		        "token_file");
	else if (right == TOKEN_COMMAND)
		call_refuse(call, MHD_HTTP_FORBIDDEN,
		        "commands over TCP need a token: set [http] token_file");
}

/* Whether a program sends the request. A browser sends a remembered password with the requests of
 * every site, but says with all that may change something where they come from. */
static bool call_is_of_a_program(struct web_call *call, const char *method)
{
	return strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0 &&
	       !*call_header(call, "Origin") && !*call_header(call, "Sec-Fetch-Site");
}

/* Checks whether the request is allowed; otherwise sets the answer. */
static void call_authorize(struct web_call *call, const char *method)
{
	const struct token *token;
	unsigned right = call->endpoint->right;

	call->peer = call->conn->peer;
	if (call->conn->local || right == 0)
		return;
	if (call->web->tokens.len == 0) {
		call_authorize_open(call);
		return;
	}
	/* the page's forms prove where they come from */
	token = tokens_find(&call->web->tokens, call_header(call, "Authorization"),
	        call->endpoint->page || right == TOKEN_READ || call_is_of_a_program(call, method));
	if (!token) {
		call_refuse(call, MHD_HTTP_UNAUTHORIZED, "a bearer token is required");
	} else if (!(token->rights & right)) {
		call_refuse(call, MHD_HTTP_FORBIDDEN, "the token lacks the right to do that");
	} else {
		call->token = *token;
		if (right == TOKEN_COMMAND) /* counts as the daemon's user on this host */
			call->peer = (struct alert_peer){
			        .uid = geteuid(), .gid = getegid(), .name = call->token.name};
	}
}

/* Nobody who sends alerts compresses them, and what is packed small can be large. */
static void call_refuse_compressed(struct web_call *call)
{
	const char *encoding = call_header(call, "Content-Encoding");

	if (!call->ready && *encoding && strcasecmp(encoding, "identity") != 0)
		call_error(call, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
		        "a compressed body is not accepted (Content-Encoding)");
}

/* The path of a request, owned by the caller: without the host that a request may name too, and
 * without slashes too many before and after it. */
static char *call_path(const char *url)
{
	const char *host = strstr(url, "://");
	size_t len;

	if (*url != '/' && host) {
		url = host + 3;
		url += strcspn(url, "/");
	}
	while (url[0] == '/' && url[1] == '/')
		url++;
	len = strlen(url);
	while (len > 1 && url[len - 1] == '/')
		len--;
	return len > 0 ? x_strndup(url, len) : x_strdup("/");
}

static struct web_call *call_create(
        struct web *web, struct MHD_Connection *connection, const char *url, const char *method)
{
	struct web_call *call = x_calloc(1, sizeof(*call));
	char *path = call_path(url);

	call->web = web;
	call->config = config_ref(web->config);
	call->connection = connection;
	call->conn = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)
	                     ->socket_context;
	call->conn->since_ms = clock_monotonic_ms();
	call->conn->idle = false;
	call->requests = json_array();
	call->answers = json_array();
	buf_init(&call->body, WEB_BODY_MAX);
	buf_init(&call->text, 2 * WEB_BODY_MAX);
	buf_init(&call->cookie, 256);
	buf_init(&call->location, 256);
	buf_init(&call->allow, 256);
	call->endpoint = endpoint_find(method, path, &call->allow);
	if (!call->endpoint) {
		bool known = call->allow.len > 0;

		call_error(call, known ? MHD_HTTP_METHOD_NOT_ALLOWED : MHD_HTTP_NOT_FOUND,
		        known ? "this method is not allowed here" : "there is no such address");
	} else {
		call->rest = x_strdup(path + strlen(call->endpoint->path));
		call_authorize(call, method);
		call_refuse_compressed(call);
	}
	free(path);
	return call;
}

void call_weigh_nothing(struct web_call *call)
{
	call->web->bodies -= call->weight;
	call->weight = 0;
}

static void call_destroy(struct web_call *call)
{
	call_drop_input(call);
	call->web->answers -= call->held;
	buf_finish(&call->text);
	buf_finish(&call->cookie);
	buf_finish(&call->location);
	buf_finish(&call->allow);
	config_unref(call->config);
	free(call->rest);
	free(call);
}

/* The request has been received completely. */
static void call_run(struct web_call *call)
{
	json_t *request;
	size_t i;

	if (call->web->closing) {
		call_error(call, MHD_HTTP_SERVICE_UNAVAILABLE, "the daemon is stopping");
		return;
	}
	call->endpoint->run(call);
	if (call->ready)
		return;
	json_array_foreach(call->requests, i, request)
	{
		call->pending += !json_is_null(request);
	}
	if (call->pending == 0) {
		call_complete(call);
		return;
	}
	/* a peer that leaves meanwhile is not noticed, so few are read for */
	if (call_reads(call) && call->web->reads >= WEB_READS_MAX) {
		call_error(call, MHD_HTTP_SERVICE_UNAVAILABLE, "too many requests at once");
		return;
	}
	json_array_foreach(call->requests, i, request)
	{
		if (!json_is_null(request))
			call_hand_in(call, i, request);
	}
}

void calls_on_turn(uv_idle_t *turn)
{
	struct web *web = turn->data;
	struct web_call *call = TAILQ_FIRST(&web->turns);

	TAILQ_REMOVE(&web->turns, call, link);
	if (TAILQ_EMPTY(&web->turns))
		uv_idle_stop(turn);
	call_run(call);
	if (call->ready) {
		call_resume(call);
	} else {
		call->suspended = true;
		web->reads += call_reads(call);
	}
}

/* libmicrohttpd brings all requests that are there at once. They are carried out one in each turn
 * of the loop, so that many large ones delay nobody else. */
static void call_await_turn(struct web_call *call)
{
	call->conn->working = true;
	MHD_suspend_connection(call->connection);
	TAILQ_INSERT_TAIL(&call->web->turns, call, link);
	uv_idle_start(&call->web->turn, calls_on_turn);
}

/* What large requests take in memory is limited for all of them together, so that they leave room
 * for small ones. */
static bool call_finds_room(struct web_call *call, size_t size)
{
	size_t own = call->body.len + call->weight + size;
	bool fits = own <= WEB_SMALL || call->web->bodies + size <= WEB_BODIES_MAX;

	if (!fits)
		call_error(call, MHD_HTTP_SERVICE_UNAVAILABLE, "too many large requests at once");
	return fits;
}

bool call_weigh(struct web_call *call, const char *text, size_t len)
{
	size_t weight = json_weight(text, len);

	if (call->weight + weight > WEB_TREE_MAX) {
		call_error(call, MHD_HTTP_CONTENT_TOO_LARGE, "the body has too many values");
		return false;
	}
	if (!call_finds_room(call, weight))
		return false;
	call->weight += weight;
	call->web->bodies += weight;
	return true;
}

/* Bytes over the limit are read and dropped. */
static void call_take_body(struct web_call *call, const char *data, size_t size)
{
	struct web *web = call->web;

	if (call->ready)
		return;
	if (call->body.len + size > WEB_BODY_MAX) {
		call_error(call, MHD_HTTP_CONTENT_TOO_LARGE, "a body has at most %d bytes",
		        WEB_BODY_MAX);
	} else if (call_finds_room(call, size)) {
		buf_add(&call->body, data, size);
		web->bodies += size;
	}
}

enum MHD_Result call_on_access(void *arg, struct MHD_Connection *connection, const char *url,
        const char *method, const char *version, const char *data, size_t *size, void **place)
{
	struct web_call *call = *place;

	if (!call) {
		call = *place = call_create(arg, connection, url, method);
		/* an answer before the body is read closes the connection */
		return call->ready ? call_queue(call) : MHD_YES;
	}
	if (*size > 0) {
		call_take_body(call, data, *size);
		*size = 0;
		return MHD_YES;
	}
	if (!call->ready && call->web->closing)
		call_run(call);
	else if (!call->ready)
		call_await_turn(call);
	return call->ready ? call_queue(call) : MHD_YES;
}

void call_on_completed(void *arg, struct MHD_Connection *connection, void **place,
        enum MHD_RequestTerminationCode code)
{
	struct web_call *call = *place;

	if (!call)
		return;
	call->conn->idle = true;
	call->conn->since_ms = clock_monotonic_ms();
	call_destroy(call);
	*place = NULL;
}

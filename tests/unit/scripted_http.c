/*
 * scripted_http.c - see scripted_http.h.
 */
#include "tests/unit/scripted_http.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include "bot/base/alloc.h"

#define RULES_MAX 64
#define SEEN_MAX 4096
#define GUARD_MS 20000
#define TICK_MS 10
#define CLIENT "/_matrix/client"

struct http_request {
	TAILQ_ENTRY(http_request) link;
	struct http *http;
	char *method, *path, *body, *bearer;
	json_t *json;
	bool seen;  /* by script_wait() */
	bool ended; /* what follows is known, the callback outstanding */
	enum err code;
	int status;
	char *answer;
	bool sent;
	http_done_fn done;
	void *arg;
};

struct http {
	uv_timer_t timer; /* active while requests are ended and not called back */
	bool closing;
	void (*closed)(void *arg);
	void *closed_arg;
};

static struct {
	uv_loop_t *loop;
	unsigned https; /* not closed */
	TAILQ_HEAD(, http_request) requests;
	struct {
		const char *method, *path;
		int status;
		char *json;
	} rules[RULES_MAX];
	unsigned rules_len;
	char *seen[SEEN_MAX]; /* "METHOD path" of every request */
	unsigned seen_len;
} script;

/* --- what the test says -------------------------------------------------------------------- */

void script_begin(uv_loop_t *loop)
{
	memset(&script, 0, sizeof(script));
	script.loop = loop;
	TAILQ_INIT(&script.requests);
}

void script_end(void)
{
	assert(script.https == 0);
	assert(TAILQ_EMPTY(&script.requests));
	for (unsigned i = 0; i < script.rules_len; i++)
		free(script.rules[i].json);
	for (unsigned i = 0; i < script.seen_len; i++)
		free(script.seen[i]);
}

void script_rule(const char *method, const char *path, int status, const char *json)
{
	assert(script.rules_len < RULES_MAX);
	script.rules[script.rules_len].method = method;
	script.rules[script.rules_len].path = path;
	script.rules[script.rules_len].status = status;
	script.rules[script.rules_len++].json = x_strdup_opt(json);
}

static bool is_like(const struct http_request *request, const char *method, const char *path)
{
	return strcmp(request->method, method) == 0 &&
	       strncmp(request->path, path, strlen(path)) == 0;
}

unsigned script_open(const char *method, const char *path)
{
	const struct http_request *request;
	unsigned count = 0;

	TAILQ_FOREACH(request, &script.requests, link)
	count += !request->ended && is_like(request, method, path);
	return count;
}

unsigned script_count(const char *method, const char *path)
{
	char *wanted = x_asprintf("%s %s", method, path);
	unsigned count = 0;

	for (unsigned i = 0; i < script.seen_len; i++)
		count += strncmp(script.seen[i], wanted, strlen(wanted)) == 0;
	free(wanted);
	return count;
}

struct guard {
	uv_timer_t timer;
	const char *name;
	uint64_t end_ms;
};

/* Turns the loop now and then: a turn that answers goes to sleep before it comes back. */
static void on_guard(uv_timer_t *timer)
{
	const struct guard *guard = timer->data;
	const struct http_request *request;

	if (uv_now(script.loop) < guard->end_ms)
		return;
	fprintf(stderr, "the test waits in vain for %s; open are:\n", guard->name);
	TAILQ_FOREACH(request, &script.requests, link)
	fprintf(stderr, "  %s %s%s\n", request->method, request->path,
	        request->ended  ? " (answered)"
	        : request->seen ? " (seen)"
	                        : "");
	abort();
}

static struct http_request *find_unseen(const char *method, const char *path)
{
	struct http_request *request;

	TAILQ_FOREACH(request, &script.requests, link)
	if (!request->seen && !request->ended && is_like(request, method, path))
		return request;
	return NULL;
}

struct http_request *script_wait(const char *method, const char *path)
{
	char *name = x_asprintf("%s %s", method, path);
	struct http_request *request;
	struct guard guard = {.name = name};

	uv_timer_init(script.loop, &guard.timer);
	guard.timer.data = &guard;
	uv_update_time(script.loop);
	guard.end_ms = uv_now(script.loop) + GUARD_MS;
	uv_timer_start(&guard.timer, on_guard, TICK_MS, TICK_MS);
	while (!(request = find_unseen(method, path)))
		uv_run(script.loop, UV_RUN_ONCE);
	request->seen = true;
	uv_close((uv_handle_t *)&guard.timer, NULL);
	uv_run(script.loop, UV_RUN_NOWAIT); /* the guard is on this stack */
	free(name);
	return request;
}

const char *script_path(const struct http_request *request)
{
	return request->path;
}

const char *script_body(const struct http_request *request)
{
	return request->body ? request->body : "";
}

const char *script_bearer(const struct http_request *request)
{
	return request->bearer ? request->bearer : "";
}

const char *script_member(const struct http_request *request, const char *name)
{
	const char *value = json_string_value(json_object_get(request->json, name));

	return value ? value : "";
}

/* --- answers ------------------------------------------------------------------------------- */

static void on_timer(uv_timer_t *timer);

static void request_end(struct http_request *request, enum err code, int status, char *answer)
{
	assert(!request->ended);
	request->ended = true;
	request->code = code;
	request->status = status;
	request->answer = answer;
	uv_timer_start(&request->http->timer, on_timer, 0, 0);
}

void script_answer(struct http_request *request, int status, const char *format, ...)
{
	char *text;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		abort();
	va_end(args);
	request->sent = true;
	request_end(request, OK, status, text);
}

void script_fail(struct http_request *request, enum err code, bool sent)
{
	request->sent = sent;
	request_end(request, code, 0, NULL);
}

static struct http_request *find_ended(const struct http *http)
{
	struct http_request *request;

	TAILQ_FOREACH(request, &script.requests, link)
	if (request->http == http && request->ended)
		return request;
	return NULL;
}

static void request_deliver(struct http_request *request)
{
	struct http_result result = {
	        .code = request->code,
	        .status = request->status,
	        .body = request->answer,
	        .body_len = request->answer ? strlen(request->answer) : 0,
	        .retry_after_ms = -1,
	        .sent = request->sent,
	};

	if (request->code != OK)
		snprintf(result.error, sizeof(result.error), "%s", err_text(request->code));
	TAILQ_REMOVE(&script.requests, request, link);
	request->done(&result, request->arg);
	json_decref(request->json);
	free(request->method);
	free(request->path);
	free(request->body);
	free(request->bearer);
	free(request->answer);
	free(request);
}

static void on_http_closed(uv_handle_t *handle)
{
	struct http *http = handle->data;
	void (*closed)(void *arg) = http->closed;
	void *arg = http->closed_arg;

	free(http);
	script.https--;
	closed(arg);
}

static void on_timer(uv_timer_t *timer)
{
	struct http *http = timer->data;
	struct http_request *request;

	while ((request = find_ended(http)))
		request_deliver(request);
	if (http->closing && !uv_is_closing((uv_handle_t *)timer))
		uv_close((uv_handle_t *)timer, on_http_closed);
}

/* --- bot/matrix/http.h ---------------------------------------------------------------------- */

enum err http_create(struct http **out, uv_loop_t *loop, const struct http_options *options)
{
	struct http *http = x_calloc(1, sizeof(*http));

	uv_timer_init(loop, &http->timer);
	http->timer.data = http;
	script.https++;
	*out = http;
	return OK;
}

static struct http_request *request_create(struct http *http, http_done_fn done, void *arg)
{
	struct http_request *request = x_calloc(1, sizeof(*request));

	request->http = http;
	request->done = done;
	request->arg = arg;
	TAILQ_INSERT_TAIL(&script.requests, request, link);
	return request;
}

struct http_request *http_start(
        struct http *http, const struct http_call *call, http_done_fn done, void *arg)
{
	struct http_request *request = request_create(http, done, arg);
	const char *path = strstr(call->url, CLIENT);

	if (path)
		path += strlen(CLIENT);
	else
		path = strchr(strstr(call->url, "://") + 3, '/');
	request->method = x_strdup(call->method);
	request->path = x_strdup(path ? path : "/");
	request->body = call->body ? x_strndup(call->body, call->body_len) : NULL;
	request->bearer = x_strdup_opt(call->bearer);
	request->json = call->body ? json_loadb(call->body, call->body_len, 0, NULL) : NULL;
	assert(script.seen_len < SEEN_MAX);
	script.seen[script.seen_len++] = x_asprintf("%s %s", request->method, request->path);
	for (unsigned i = script.rules_len; i-- > 0;)
		if (is_like(request, script.rules[i].method, script.rules[i].path)) {
			if (script.rules[i].json)
				script_answer(request, script.rules[i].status, "%s",
				        script.rules[i].json);
			break;
		}
	return request;
}

void http_cancel(struct http_request *request)
{
	if (request->ended)
		request->code = ERR_CANCELED;
	else
		request_end(request, ERR_CANCELED, 0, NULL);
}

int64_t http_skew_ms(const struct http *http)
{
	return 0;
}

struct http_request *http_refuse(struct http *http, enum err code, http_done_fn done, void *arg)
{
	struct http_request *request = request_create(http, done, arg);

	request->method = x_strdup("");
	request->path = x_strdup("");
	request_end(request, code, 0, NULL);
	return request;
}

void http_close(struct http *http, void (*closed)(void *arg), void *arg)
{
	struct http_request *request;

	http->closing = true;
	http->closed = closed;
	http->closed_arg = arg;
	TAILQ_FOREACH(request, &script.requests, link)
	if (request->http == http && !request->ended)
		request_end(request, ERR_CANCELED, 0, NULL);
	uv_timer_start(&http->timer, on_timer, 0, 0);
}

/*
 * client.c - see client.h. What an answer means is decided in answer.c.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/buf.h"
#include "bot/base/log.h"
#include "bot/base/text.h"
#include "bot/matrix/answer.h"
#include "bot/matrix/client.h"

#define ADMIN_API "/_synapse/"
#define LARGE_ANSWER (16U << 20) /* bytes; parsed, it takes about 20 times as much */
#define SMALL_ANSWER (1U << 20)
#define PATH_MAX_BYTES (1U << 20)

struct mx {
	struct http *http;
	char *base_url;
	char *token;         /* NULL = none */
	unsigned generation; /* of the token */
	bool lost;           /* the token was refused */
	unsigned calls;      /* in flight */
	struct mx_events events;
};

struct mx_call {
	struct mx *mx;
	struct http_request *request;
	unsigned generation; /* of the token it was sent with */
	bool has_token;
	bool answered; /* its callback is about to run */
	bool canceled; /* cancelled meanwhile */
	mx_done_fn done;
	void *arg;
};

struct mx *mx_create(struct http *http, const char *base_url, const struct mx_events *events)
{
	struct mx *mx = x_calloc(1, sizeof(*mx));

	mx->http = http;
	mx->base_url = x_strdup(base_url);
	if (events)
		mx->events = *events;
	return mx;
}

struct mx *mx_create_beside(const struct mx *mx)
{
	return mx_create(mx->http, mx->base_url, NULL);
}

void mx_destroy(struct mx *mx)
{
	if (!mx)
		return;
	assert(mx->calls == 0);
	x_wipe_free_str(mx->token);
	free(mx->base_url);
	free(mx);
}

/* Visible ASCII only: anything else cannot be sent in a header. */
static bool is_token(const char *token)
{
	if (*token == '\0')
		return false;
	for (; *token; token++)
		if (*token <= 0x20 || *token >= 0x7f)
			return false;
	return true;
}

enum err mx_set_token(struct mx *mx, const char *token)
{
	if (token && !is_token(token))
		return ERR_INVALID;
	x_wipe_free_str(mx->token);
	mx->token = x_strdup_opt(token);
	mx->generation++;
	mx->lost = false;
	return OK;
}

bool mx_has_token(const struct mx *mx)
{
	return mx->token;
}

/* Reports a refused token: once per token, and only if it is still in use. */
static void note_auth(struct mx_call *call, struct mx_answer *answer)
{
	struct mx *mx = call->mx;

	if (call->generation != mx->generation) {
		answer->code = ERR_NET;
		strcpy(answer->error, "the access token has been replaced");
		return;
	}
	if (!call->has_token || mx->lost)
		return;
	mx->lost = true;
	if (mx->events.on_auth_lost)
		mx->events.on_auth_lost(answer->soft_logout, mx->events.arg);
}

/* Removes the token from an error, since a homeserver or proxy may repeat the request in it; also
 * one that was cut when the error was shortened. */
static void hide_token(const struct mx *mx, struct mx_answer *answer)
{
	const char *words = json_string_value(json_object_get(answer->body, "error"));

	if (!mx->token ||
	        (!strstr(answer->error, mx->token) && !strstr(words ? words : "", mx->token)))
		return;
	explicit_bzero(answer->error, sizeof(answer->error));
	strcpy(answer->error, "the answer contains the access token, so it is not shown");
	if (strstr(answer->errcode, mx->token))
		explicit_bzero(answer->errcode, sizeof(answer->errcode));
}

static void on_http_done(const struct http_result *result, void *arg)
{
	struct mx_call *call = arg;
	struct mx_answer answer;
	json_t *body = answer_read(&answer, result);

	call->answered = true;
	hide_token(call->mx, &answer);
	if (answer.code == ERR_AUTH)
		note_auth(call, &answer); /* its callback may cancel all calls, this one too */
	if (call->canceled)
		answer.code = ERR_CANCELED;
	call->mx->calls--;
	call->done(&answer, call->arg);
	json_decref(body);
	free(call);
}

/* Only answers that list events or state may be large; answers to a send are small. */
static size_t answer_limit(const char *method, const char *path)
{
	if (strcmp(method, "GET") == 0 || strncmp(path, "/v3/keys/", 9) == 0)
		return LARGE_ANSWER;
	return SMALL_ANSWER;
}

/* url is taken and freed. http_call lacks the members that all calls share. */
static struct mx_call *mx_send(
        struct mx *mx, struct http_call *http_call, char *url, mx_done_fn done, void *arg)
{
	struct mx_call *call = x_calloc(1, sizeof(*call));

	call->mx = mx;
	call->generation = mx->generation;
	call->has_token = mx->token;
	call->done = done;
	call->arg = arg;
	mx->calls++;
	http_call->bearer = mx->token;
	http_call->url = url;
	call->request = mx->lost ? http_refuse(mx->http, ERR_AUTH, on_http_done, call)
	                         : http_start(mx->http, http_call, on_http_done, call);
	free(url);
	return call;
}

struct mx_call *mx_start_text(struct mx *mx, const char *method, const char *path, const char *body,
        int64_t timeout_ms, mx_done_fn done, void *arg)
{
	struct http_call http_call = {
	        .method = method,
	        .timeout_ms = timeout_ms,
	        .max_answer = answer_limit(method, path),
	};

	if (!body && strcmp(method, "GET") != 0 && strcmp(method, "DELETE") != 0)
		body = "{}";
	if (body) {
		http_call.body = body;
		http_call.body_len = strlen(body);
	}
	return mx_send(mx, &http_call,
	        x_asprintf("%s%s%s", mx->base_url,
	                strncmp(path, ADMIN_API, strlen(ADMIN_API)) == 0 ? "" : "/_matrix/client",
	                path),
	        done, arg);
}

struct mx_call *mx_upload(struct mx *mx, const char *content_type, const void *data, size_t len,
        int64_t timeout_ms, mx_done_fn done, void *arg)
{
	struct http_call http_call = {
	        .method = "POST",
	        .body = data,
	        .body_len = len,
	        .content_type = content_type,
	        .timeout_ms = timeout_ms,
	        .max_answer = SMALL_ANSWER,
	};

	return mx_send(
	        mx, &http_call, x_asprintf("%s/_matrix/media/v3/upload", mx->base_url), done, arg);
}

struct mx_call *mx_start(struct mx *mx, const char *method, const char *path, const json_t *body,
        int64_t timeout_ms, mx_done_fn done, void *arg)
{
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	struct mx_call *call;

	assert(!body || text);
	call = mx_start_text(mx, method, path, text, timeout_ms, done, arg);
	x_wipe_free_str(text); /* may hold a password */
	return call;
}

void mx_cancel(struct mx_call *call)
{
	if (call->answered)
		call->canceled = true;
	else
		http_cancel(call->request);
}

char *mx_path(const char *format, ...)
{
	struct buf path;
	va_list args;

	buf_init(&path, PATH_MAX_BYTES);
	va_start(args, format);
	for (const char *at = format; *at; at++) {
		if (*at != '%') {
			buf_add_char(&path, *at);
			continue;
		}
		switch (*++at) {
		case 's':
			text_add_uri(&path, va_arg(args, const char *));
			break;
		case 'd':
			buf_printf(&path, "%lld", (long long)va_arg(args, int64_t));
			break;
		default:
			assert(*at == '%');
			buf_add_char(&path, '%');
		}
	}
	va_end(args);
	return buf_take(&path);
}

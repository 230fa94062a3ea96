/*
 * web.c - see web.h: libmicrohttpd on the loop.
 *
 * Happy path: libmicrohttpd's epoll descriptor is readable, MHD_run() reads requests; when one is
 * whole, its endpoint makes requests of the socket's protocol, the connection is suspended, and
 * resumed by the last of their answers. Without any it is answered at once.
 *
 * What can go wrong: a body over the limit is answered 413 while it comes; a client that is slow
 * is closed by libmicrohttpd; while connections are suspended it cannot be stopped, so closing
 * waits for them (ops answers all it has at its own closing).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/log.h"
#include "bot/http/web_internal.h"

#define CONNECTIONS_MAX 256
#define CONNECTION_MEMORY (32 * 1024) /* headers among it */
#define IDLE_SECONDS 30
#define LOOK_MS 1000 /* how often it is looked what is over */
#define EXPIRING_MAX 10000

struct web {
	struct web_env env;
	struct config *config; /* referenced */
	struct MHD_Daemon *mhd;
	uv_poll_t poll;   /* libmicrohttpd's epoll descriptor */
	uv_timer_t timer; /* its time-outs */
	uv_timer_t look;  /* expiry */
	unsigned handles; /* not yet closed */
	struct tokens tokens;
	json_t *expiring; /* object: an alert's key -> {"ends_ms", "request"} that resolves it */
	unsigned pending; /* answers that are waited for */
	bool closing, stopped;
	void (*closed)(void *arg);
	void *closed_arg;
};

static void web_on_timer(uv_timer_t *timer);

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

static enum MHD_Result call_queue(struct web_call *call)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(
	        call->text.len, (void *)buf_str(&call->text), MHD_RESPMEM_MUST_COPY);
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, "Content-Type", call->type);
	if (strncmp(call->type, "text/html", 9) == 0)
		MHD_add_response_header(response, "Content-Security-Policy",
		        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'");
	if (call->status == MHD_HTTP_SERVICE_UNAVAILABLE)
		MHD_add_response_header(response, "Retry-After", "1");
	if (call->status == MHD_HTTP_UNAUTHORIZED)
		MHD_add_response_header(response, "WWW-Authenticate",
		        strcmp(call->endpoint->path, "/") == 0
		                ? "Basic realm=\"matrix-telemetry-bot\""
		                : "Bearer");
	result = MHD_queue_response(call->connection, call->status, response);
	MHD_destroy_response(response);
	return result;
}

/* ---- the socket's protocol ---- */

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

struct answer {
	struct web *web;
	struct web_call *call; /* NULL: nobody waits */
	size_t index;
};

static void call_complete(struct web_call *call)
{
	if (call->endpoint->finish)
		call->endpoint->finish(call);
	else
		call_finish_op(call);
}

static void on_answered(const json_t *answer, void *arg)
{
	struct answer *waited = arg;
	struct web_call *call = waited->call;
	struct web *web = waited->web;

	web->pending--;
	if (call) {
		json_array_set(call->answers, waited->index, (json_t *)answer);
		if (--call->pending == 0) {
			call_complete(call);
			if (call->suspended) {
				call->suspended = false;
				MHD_resume_connection(call->connection);
				uv_timer_start(&web->timer, web_on_timer, 0, 0);
			}
		}
	}
	free(waited);
}

static void web_send(struct web *web, struct web_call *call, size_t index, json_t *request,
        const struct alert_peer *peer)
{
	struct answer *waited = x_calloc(1, sizeof(*waited));

	*waited = (struct answer){web, call, index};
	web->pending++;
	web->env.on_request(request, peer, reply_create_for(on_answered, waited), web->env.arg);
}

void web_submit(struct web *web, json_t *request)
{
	const struct alert_peer nobody = {-1, -1, -1};

	web_send(web, NULL, 0, request, &nobody);
	json_decref(request);
}

void web_expire(struct web *web, const char *key, int64_t ends_ms, json_t *request)
{
	if (!request)
		json_object_del(web->expiring, key);
	else if (json_object_size(web->expiring) < EXPIRING_MAX ||
	         json_object_get(web->expiring, key))
		json_object_set_new(web->expiring, key,
		        json_pack(
		                "{s:I, s:O}", "ends_ms", (json_int_t)ends_ms, "request", request));
}

static void web_on_look(uv_timer_t *timer)
{
	struct web *web = timer->data;
	int64_t now_ms = clock_now_ms();
	const char *key;
	json_t *entry;
	void *next;

	json_object_foreach_safe(web->expiring, next, key, entry)
	{
		if (json_integer_value(json_object_get(entry, "ends_ms")) > now_ms)
			continue;
		web_submit(web, json_incref(json_object_get(entry, "request")));
		json_object_del(web->expiring, key);
	}
}

/* ---- requests ---- */

/* True when it came over the Unix socket, whose permissions were asked already. */
static bool call_is_local(struct web_call *call)
{
	const union MHD_ConnectionInfo *info =
	        MHD_get_connection_info(call->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	int fd = info ? (int)info->connect_fd : -1, domain = 0;
	socklen_t size = sizeof(domain);
	struct ucred cred;

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0 || domain != AF_UNIX)
		return false;
	size = sizeof(cred);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) == 0)
		call->peer = (struct alert_peer){cred.uid, cred.gid, cred.pid};
	return true;
}

static void call_refuse(struct web_call *call, unsigned status, const char *why)
{
	log_seldom(LOG_WARNING, "http", why, "refused: %s %s: %s", call->endpoint->method,
	        call->endpoint->path, why);
	call_error(call, status, "%s", why);
}

/* Whether it may be asked at all; else makes the answer. */
static void call_authorize(struct web_call *call)
{
	const struct token *token;
	unsigned right = call->endpoint->right;

	if (call_is_local(call) || right == 0)
		return;
	if (call->web->tokens.len == 0) {
		/* A page in a browser of this host could send too. */
		if (right != TOKEN_READ &&
		        (*call_header(call, "Origin") || *call_header(call, "Sec-Fetch-Site")))
			call_refuse(call, MHD_HTTP_FORBIDDEN, "not for browsers without a token");
		else if (right == TOKEN_COMMAND)
			call_refuse(call, MHD_HTTP_FORBIDDEN, "commands over TCP need a token");
		return;
	}
	/* A password that a browser remembers goes with every page's requests: for reading alone.
	 */
	token = tokens_find(
	        &call->web->tokens, call_header(call, "Authorization"), right == TOKEN_READ);
	if (!token)
		call_refuse(call, MHD_HTTP_UNAUTHORIZED, "a bearer token is needed");
	else if (!(token->rights & right))
		call_refuse(call, MHD_HTTP_FORBIDDEN, "the token has not the right to do that");
	else if (right == TOKEN_COMMAND) /* as if on the host, by the daemon's user */
		call->peer = (struct alert_peer){geteuid(), getegid(), -1};
}

static struct web_call *call_create(
        struct web *web, struct MHD_Connection *connection, const char *url, const char *method)
{
	struct web_call *call = x_calloc(1, sizeof(*call));
	bool known;

	call->web = web;
	call->config = web->config;
	call->connection = connection;
	call->peer = (struct alert_peer){-1, -1, -1};
	call->requests = json_array();
	call->answers = json_array();
	buf_init(&call->body, WEB_BODY_MAX);
	buf_init(&call->text, 2 * WEB_BODY_MAX);
	call->endpoint = endpoint_find(method, url, &known);
	if (!call->endpoint) {
		call_error(call, known ? MHD_HTTP_METHOD_NOT_ALLOWED : MHD_HTTP_NOT_FOUND,
		        known ? "not by that method" : "there is nothing here");
		return call;
	}
	call->rest = x_strdup(url + strlen(call->endpoint->path));
	call_authorize(call);
	return call;
}

static void call_destroy(struct web_call *call)
{
	json_decref(call->requests);
	json_decref(call->answers);
	buf_finish(&call->body);
	buf_finish(&call->text);
	free(call->rest);
	free(call);
}

/* The request is whole. */
static void web_call_run(struct web_call *call)
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
	if (json_array_size(call->requests) == 0) {
		call_complete(call);
		return;
	}
	call->pending = (unsigned)json_array_size(call->requests);
	json_array_foreach(call->requests, i, request)
	{
		web_send(call->web, call, i, request, &call->peer);
	}
	if (!call->ready) {
		call->suspended = true;
		MHD_suspend_connection(call->connection);
	}
}

static enum MHD_Result on_access(void *arg, struct MHD_Connection *connection, const char *url,
        const char *method, const char *version, const char *data, size_t *size, void **place)
{
	struct web_call *call = *place;

	if (!call) {
		call = *place = call_create(arg, connection, url, method);
		/* With an answer before its body is read the connection ends. */
		return call->ready ? call_queue(call) : MHD_YES;
	}
	if (*size > 0) {
		if (call->body.len + *size <= WEB_BODY_MAX)
			buf_add(&call->body, data, *size);
		else
			call->body.overflow = true;
		*size = 0;
		return MHD_YES;
	}
	if (!call->ready && call->body.overflow)
		call_error(call, MHD_HTTP_CONTENT_TOO_LARGE, "a body has at most %d bytes",
		        WEB_BODY_MAX);
	else if (!call->ready)
		web_call_run(call);
	return call->ready ? call_queue(call) : MHD_YES;
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **place,
        enum MHD_RequestTerminationCode code)
{
	if (*place)
		call_destroy(*place);
	*place = NULL;
}

/* ---- the loop ---- */

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

static void on_readable(uv_poll_t *poll, int status, int events)
{
	web_pump(poll->data);
}

void web_take(struct web *web, int fd)
{
	struct sockaddr_storage address = {.ss_family = AF_UNIX};

	if (MHD_add_connection(web->mhd, fd, (struct sockaddr *)&address, sizeof(sa_family_t)) !=
	        MHD_YES)
		log_warning("http", "a connection of the socket could not be taken over");
	else
		uv_timer_start(&web->timer, web_on_timer, 0, 0);
}

/* ---- life ---- */

/* "127.0.0.1:9400" or "[::1]:9400" */
static bool read_address(const char *text, struct sockaddr_storage *address, socklen_t *size)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;
	const char *colon = strrchr(text, ':');
	char host[64];
	size_t len;
	long port;

	if (!colon)
		return false;
	port = strtol(colon + 1, NULL, 10);
	len = (size_t)(colon - text);
	if (port < 0 || port > 65535 || len >= sizeof(host))
		return false;
	memset(address, 0, sizeof(*address));
	if (text[0] == '[' && len > 2 && text[len - 1] == ']') {
		snprintf(host, sizeof(host), "%.*s", (int)len - 2, text + 1);
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)port);
		*size = sizeof(*v6);
		return inet_pton(AF_INET6, host, &v6->sin6_addr) == 1;
	}
	snprintf(host, sizeof(host), "%.*s", (int)len, text);
	v4->sin_family = AF_INET;
	v4->sin_port = htons((uint16_t)port);
	*size = sizeof(*v4);
	return inet_pton(AF_INET, host, &v4->sin_addr) == 1;
}

static bool web_is_loopback(const struct sockaddr_storage *address)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;

	return address->ss_family == AF_INET ? (ntohl(v4->sin_addr.s_addr) >> 24) == 127
	                                     : IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

/* A listening descriptor, or -1: none is wanted. */
static enum err web_listen(
        const struct web *web, const char *listen_on, int *fd, struct fault *fault)
{
	struct sockaddr_storage address;
	socklen_t size;
	int on = 1;

	*fd = -1;
	if (!listen_on)
		return OK;
	if (!read_address(listen_on, &address, &size))
		return fault_set(
		        fault, ERR_CONFIG, "[http] listen = %s is no ADDRESS:PORT", listen_on);
	if (!web_is_loopback(&address) && web->tokens.len == 0)
		return fault_set(fault, ERR_CONFIG,
		        "[http] listen = %s is for other machines too: set token_file or tokens",
		        listen_on);
	*fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (*fd == -1 || setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	        bind(*fd, (struct sockaddr *)&address, size) != 0 || listen(*fd, 1024) != 0) {
		fault_set(fault, ERR_IO, "[http] cannot listen on %s: %s", listen_on,
		        strerror(errno));
		if (*fd != -1)
			close(*fd);
		return ERR_IO;
	}
	return OK;
}

static struct MHD_Daemon *web_start(struct web *web, int fd)
{
	unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME |
	                 (fd == -1 ? MHD_USE_NO_LISTEN_SOCKET : 0);
	struct MHD_OptionItem options[] = {
	        {MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX, NULL},
	        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, NULL},
	        {MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS, NULL},
	        {fd == -1 ? MHD_OPTION_END : MHD_OPTION_LISTEN_SOCKET, fd, NULL},
	        {MHD_OPTION_END, 0, NULL},
	};

	return MHD_start_daemon(flags, 0, NULL, NULL, on_access, web, MHD_OPTION_NOTIFY_COMPLETED,
	        on_completed, web, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
}

enum err web_create(
        struct web **out, const struct web_env *env, struct config *config, struct fault *fault)
{
	struct web *web = x_calloc(1, sizeof(*web));
	const union MHD_DaemonInfo *info;
	int fd = -1;
	enum err err = tokens_read(&web->tokens, config, fault);

	*out = NULL;
	web->env = *env;
	web->config = config_ref(config);
	if (err == OK)
		err = web_listen(web, config->http.listen, &fd, fault);
	if (err == OK) {
		web->mhd = web_start(web, fd);
		if (!web->mhd)
			err = fault_set(fault, ERR_IO, "[http] cannot start: %s", strerror(errno));
	}
	if (err) {
		config_unref(web->config);
		tokens_finish(&web->tokens);
		free(web);
		return err;
	}
	web->expiring = json_object();
	info = MHD_get_daemon_info(web->mhd, MHD_DAEMON_INFO_EPOLL_FD);
	uv_poll_init(env->loop, &web->poll, info->epoll_fd);
	uv_timer_init(env->loop, &web->timer);
	uv_timer_init(env->loop, &web->look);
	web->poll.data = web->timer.data = web->look.data = web;
	web->handles = 3;
	uv_poll_start(&web->poll, UV_READABLE, on_readable);
	uv_timer_start(&web->look, web_on_look, LOOK_MS, LOOK_MS);
	if (config->http.listen)
		log_info("http", "listening on %s", config->http.listen);
	*out = web;
	return OK;
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
	config_ref(config);
	config_unref(web->config);
	web->config = config;
}

static void web_on_handle_closed(uv_handle_t *handle)
{
	struct web *web = handle->data;
	void (*closed)(void *arg) = web->closed;
	void *arg = web->closed_arg;

	if (--web->handles > 0)
		return;
	tokens_finish(&web->tokens);
	config_unref(web->config);
	json_decref(web->expiring);
	free(web);
	closed(arg);
}

/* libmicrohttpd cannot end while an answer is under way. */
static void web_maybe_stop(struct web *web)
{
	if (!web->closing || web->stopped || web->pending > 0)
		return;
	MHD_run(web->mhd); /* what was resumed last gets its answer */
	web->stopped = true;
	MHD_stop_daemon(web->mhd);
	uv_close((uv_handle_t *)&web->poll, web_on_handle_closed);
	uv_close((uv_handle_t *)&web->timer, web_on_handle_closed);
	uv_close((uv_handle_t *)&web->look, web_on_handle_closed);
}

static void on_closing(uv_timer_t *timer)
{
	web_maybe_stop(timer->data);
}

void web_close(struct web *web, void (*closed)(void *arg), void *arg)
{
	web->closing = true;
	web->closed = closed;
	web->closed_arg = arg;
	/* from the loop: an answer that comes now may stand inside MHD_run() */
	uv_timer_start(&web->look, on_closing, 0, 20);
}

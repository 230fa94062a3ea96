/*
 * web_internal.h - the server of HTTP and one request of it, for bot/http/ alone.
 */
#pragma once

#include <microhttpd.h>
#include <sys/queue.h>
#include "bot/base/buf.h"
#include "bot/http/web.h"
#include "bot/http/tokens.h"

#define WEB_BODY_MAX (4 * 1024 * 1024)
#define WEB_BODIES_MAX (64 * 1024 * 1024) /* of all requests that are being read */
#define WEB_BATCH_MAX 4096                /* alerts of one request */
#define WEB_STREAMS_MAX 16                /* pages that are kept up to date */
#define WEB_CONNECTIONS_MAX 256
#define WEB_CONNECTIONS_TCP 224 /* of these; the others are for the Unix socket */

struct web_call;
struct web_stream;

/* A connection. */
struct web_conn {
	int fd;
	bool local;             /* over the Unix socket, whose permissions were asked already */
	struct alert_peer peer; /* unknown over TCP */
	int64_t since_ms;       /* monotonic: its present step began */
	bool idle;              /* between two requests */
	bool working;           /* the time is ours, not the peer's */
	TAILQ_ENTRY(web_conn) link;
};

struct web {
	struct web_env env;
	struct config *config; /* referenced */
	struct MHD_Daemon *mhd;
	int listen_fd;    /* -1 = none */
	uv_poll_t accept; /* of it */
	uv_poll_t poll;   /* libmicrohttpd's epoll descriptor */
	uv_timer_t timer; /* its time-outs */
	uv_timer_t look;  /* ours */
	unsigned handles; /* not yet closed */
	struct tokens tokens;
	TAILQ_HEAD(, web_conn) conns;
	unsigned conns_len;
	size_t bodies;    /* bytes of bodies in memory */
	unsigned pending; /* answers that are waited for */
	struct page_secrets *secrets;
	TAILQ_HEAD(, web_stream) streams;
	unsigned streams_len;
	bool changed;   /* since the streams were told last */
	unsigned looks; /* since then */
	bool closing, stopped;
	void (*closed)(void *arg);
	void *closed_arg;
};

struct endpoint {
	const char *method;
	const char *path; /* with a / at its end: the start of one */
	unsigned right;   /* of enum token_right; 0 = for everybody */
	/* Makes the requests, or the answer. */
	void (*run)(struct web_call *call);
	/* Makes the answer of theirs; NULL: call_finish_op(). */
	void (*finish)(struct web_call *call);
	bool page; /* for people: a token may come as a browser's password */
};

struct web_call {
	struct web *web;
	struct MHD_Connection *connection;
	struct web_conn *conn;
	const struct endpoint *endpoint;
	char *rest;            /* of the path, after the endpoint's, decoded */
	struct config *config; /* referenced */
	struct token token;    /* a copy; rights 0 = it came without one */
	struct alert_peer peer;
	struct buf body;
	json_t *requests; /* array, of the socket's protocol; null: refused already */
	json_t *answers;  /* array, in their order; null while unanswered */
	unsigned pending;
	bool suspended, ready; /* ready: the answer can go out */
	unsigned status;       /* of the answer */
	const char *type;      /* its content type */
	struct buf text;
	struct buf cookie, location; /* headers of the answer, "" = none */
	bool stream;                 /* it is answered by a stream */
};

/* The endpoint of a path. *allowed: the path is one's, whatever the method. */
const struct endpoint *endpoint_find(const char *method, const char *path, bool *allowed);

/* ---- web_call.c ---- */

/* A query parameter, or NULL; borrowed. */
const char *call_query(struct web_call *call, const char *name);
/* A request header, or "". */
const char *call_header(struct web_call *call, const char *name);
/* Adds a request; takes the reference. */
void call_request(struct web_call *call, json_t *request);
/* Adds one that is refused already, without costing the others. */
void call_refuse_element(struct web_call *call, const char *field, const char *message);
/* False, with the answer made: so many requests are too many. */
bool call_batch_fits(struct web_call *call, size_t len);
/* The answer. */
void call_text(struct web_call *call, unsigned status, const char *type, const char *text);
void call_json(struct web_call *call, unsigned status, json_t *object); /* takes it */
void call_error(struct web_call *call, unsigned status, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
/* The status that an answer of the protocol has: 200, 503 for what passes, else 400 and the like.
 */
unsigned call_status_of(const json_t *answer);
/* The first answer that is worst, in the order 503, other errors, 200. */
unsigned call_worst(const struct web_call *call);
/* How many were taken. */
unsigned call_taken(const struct web_call *call);
/* One answer as it is; of several an array. */
void call_finish_op(struct web_call *call);
/* The same; of many, those that were taken are taken: only what may pass is the whole's failure. */
void call_finish_batch(struct web_call *call);

/* The body as JSON; odd parts are mended and noted. NULL: it is none, and the answer is made. */
json_t *call_read_json(struct web_call *call, json_t *notes);

/* libmicrohttpd's callbacks; arg is the web. */
enum MHD_Result call_on_access(void *arg, struct MHD_Connection *connection, const char *url,
        const char *method, const char *version, const char *data, size_t *size, void **place);
void call_on_completed(void *arg, struct MHD_Connection *connection, void **place,
        enum MHD_RequestTerminationCode code);

/* ---- web.c, web_listen.c, web_stream.c ---- */

/* Something waits for libmicrohttpd. */
void web_wake(struct web *web);
/* A listening descriptor for [http] listen, or -1: none is wanted. */
enum err web_listen(
        const struct tokens *tokens, const char *listen_on, int *fd, struct fault *fault);
/* The answer to GET /events; NULL when there are too many. */
struct MHD_Response *stream_create(struct web_call *call);
/* The streams have something to say: that the page changed, or only that they live. */
void streams_tell(struct web *web, bool changed);
void streams_end(struct web *web);

/* ---- the endpoints' own files ---- */

struct page_secrets *page_secrets_create(void);
void page_secrets_destroy(struct page_secrets *secrets);
void page_run(struct web_call *call);
void page_finish(struct web_call *call);
void page_style_run(struct web_call *call);
void page_script_run(struct web_call *call);
void page_events_run(struct web_call *call);
void page_ack_run(struct web_call *call);
void page_silence_run(struct web_call *call);
void page_end_run(struct web_call *call);
void page_done(struct web_call *call);
void metrics_run(struct web_call *call);
void metrics_finish(struct web_call *call);
void alertmanager_run(struct web_call *call);
void api_alerts_run(struct web_call *call);
void api_finish(struct web_call *call);
void api_status_run(struct web_call *call);
void api_receivers_run(struct web_call *call);
void api_firing_run(struct web_call *call);
void api_firing_finish(struct web_call *call);
void api_groups_finish(struct web_call *call);
void api_silences_run(struct web_call *call);
void api_silences_finish(struct web_call *call);
void api_silence_run(struct web_call *call);
void api_silence_finish(struct web_call *call);
void api_one_silence_finish(struct web_call *call);
void api_unsilence_run(struct web_call *call);
/* Asks for the end of a silence; 0 = there is none. */
void call_end_silence(struct web_call *call, int64_t id);

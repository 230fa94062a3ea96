/*
 * web_internal.h - the HTTP server and a single request, for bot/http/ only.
 */
#pragma once

#include <microhttpd.h>
#include <sys/queue.h>
#include "bot/base/buf.h"
#include "bot/http/web.h"
#include "bot/http/tokens.h"

#define WEB_BODY_MAX (4 * 1024 * 1024)
#define WEB_TREE_MAX (48 * 1024 * 1024)    /* bytes; of the body as a JSON tree */
#define WEB_BODIES_MAX (64 * 1024 * 1024)  /* bytes; of all requests' bodies and trees */
#define WEB_ANSWERS_MAX (16 * 1024 * 1024) /* bytes; of all answers that are not read yet */
#define WEB_SMALL (64 * 1024) /* bytes; of a body or answer, accepted even when those are many */
#define WEB_BATCH_MAX 4096    /* alerts in one request */
#define WEB_READS_MAX 16      /* requests that read and wait for the store */
#define WEB_STREAMS_MAX 16    /* open pages with live updates */
#define WEB_CONNECTIONS_MAX 256
#define WEB_CONNECTIONS_TCP 224 /* of all connections; the rest is reserved for the Unix socket */

struct web_call;
struct web_stream;

/* A connection. */
struct web_conn {
	int fd;
	bool local;             /* on the Unix socket, whose permissions were checked */
	struct alert_peer peer; /* unknown over TCP */
	int64_t since_ms;       /* monotonic; when its current step began */
	bool idle;              /* between two requests */
	bool working;           /* the daemon's turn, so no time limit applies to the peer */
	TAILQ_ENTRY(web_conn) link;
};

struct web {
	struct web_env env;
	struct config *config; /* referenced */
	struct MHD_Daemon *mhd;
	int listen_fd;    /* -1 = none */
	uv_poll_t accept; /* watches listen_fd */
	uv_poll_t poll;   /* libmicrohttpd's epoll descriptor */
	uv_timer_t timer; /* timeouts of libmicrohttpd */
	uv_timer_t look;  /* periodic checks of connections and streams */
	uv_idle_t turn;   /* active while calls wait for their turn */
	TAILQ_HEAD(, web_call) turns;
	unsigned handles; /* not yet closed */
	struct tokens tokens;
	TAILQ_HEAD(, web_conn) conns;
	unsigned conns_len;
	size_t bodies;    /* bytes of request bodies and their trees in memory */
	size_t answers;   /* bytes of answers in memory */
	unsigned pending; /* answers not received yet */
	unsigned reads;   /* suspended calls that read */
	struct page_secrets *secrets;
	TAILQ_HEAD(, web_stream) streams;
	unsigned streams_len;
	bool changed;   /* since the streams were notified last */
	unsigned looks; /* checks since then */
	bool closing, stopped;
	void (*closed)(void *arg);
	void *closed_arg;
};

struct endpoint {
	const char *method;
	const char *path; /* a trailing / makes it a prefix */
	unsigned right;   /* of enum token_right; 0 = public */
	/* Makes the requests, or sets the answer. */
	void (*run)(struct web_call *call);
	/* Makes the answer from those of the requests; NULL: call_finish_op(). */
	void (*finish)(struct web_call *call);
	bool page; /* for people: the token may be sent as a browser's password */
};

struct web_call {
	struct web *web;
	struct MHD_Connection *connection;
	struct web_conn *conn;
	const struct endpoint *endpoint;
	char *rest;            /* of the path, after the endpoint's prefix, decoded */
	struct config *config; /* referenced */
	struct token token;    /* a copy; rights 0 = no token was sent */
	struct alert_peer peer;
	struct buf body;
	size_t weight;    /* bytes of the body's tree, estimated */
	size_t held;      /* bytes of the answer */
	json_t *requests; /* array, of the socket protocol; null: rejected already */
	json_t *answers;  /* array, in the same order; null until answered */
	unsigned pending;
	TAILQ_ENTRY(web_call) link; /* web::turns */
	bool suspended;             /* it had its turn, and waits for answers */
	bool ready;                 /* the answer can be sent */
	unsigned status;            /* of the answer */
	const char *type;           /* content type of the answer */
	struct buf text;
	struct buf cookie, location, allow; /* headers of the answer, "" = none */
	bool stream;                        /* answered by an event stream */
};

/* The endpoint of a method and path, or NULL: then allow has the methods that the path takes,
 * separated by commas. */
const struct endpoint *endpoint_find(const char *method, const char *path, struct buf *allow);

/* ---- web_call.c ---- */

/* A query parameter, or NULL; borrowed. */
const char *call_query(struct web_call *call, const char *name);
/* A request header, or "". */
const char *call_header(struct web_call *call, const char *name);
/* Adds a request of the socket protocol; takes the reference. */
void call_request(struct web_call *call, json_t *request);
/* Adds a request that is rejected already, without affecting the others. */
void call_refuse_element(struct web_call *call, const char *field, const char *message);
/* False, with the answer set, when there are too many requests. */
bool call_batch_fits(struct web_call *call, size_t len);
/* Sets the answer. */
void call_text(struct web_call *call, unsigned status, const char *type, const char *text);
void call_json(struct web_call *call, unsigned status, json_t *object); /* takes the reference */
void call_error(struct web_call *call, unsigned status, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
/* The HTTP status for an answer of the protocol: 200, 503 for a temporary error, else 400 and the
 * like. */
unsigned call_status_of(const json_t *answer);
/* The worst status of the answers, which is the highest: 503, then other errors, then 200. */
unsigned call_worst(const struct web_call *call);
/* The number of accepted requests. */
unsigned call_taken(const struct web_call *call);
/* Answers with the only answer as it is, or with an array of several. */
void call_finish_op(struct web_call *call);
/* As call_finish_op(), but for several requests only a temporary error makes the whole fail: those
 * accepted stay accepted. */
void call_finish_batch(struct web_call *call);

/* Accounts for the tree of a text, before it is parsed. False, with the answer set, when it would
 * take too much memory. */
bool call_weigh(struct web_call *call, const char *text, size_t len);
/* The trees accounted for are freed. */
void call_weigh_nothing(struct web_call *call);
/* The body as JSON; invalid parts are corrected and noted. NULL: not JSON, and the answer is
 * set. */
json_t *call_read_json(struct web_call *call, json_t *notes);

/* Runs the next call that waits for its turn. */
void calls_on_turn(uv_idle_t *turn);
/* Callbacks of libmicrohttpd; arg is the struct web. */
enum MHD_Result call_on_access(void *arg, struct MHD_Connection *connection, const char *url,
        const char *method, const char *version, const char *data, size_t *size, void **place);
void call_on_completed(void *arg, struct MHD_Connection *connection, void **place,
        enum MHD_RequestTerminationCode code);

/* ---- web.c, web_listen.c, web_stream.c ---- */

/* Schedules MHD_run(), as there is work for libmicrohttpd. */
void web_wake(struct web *web);
/* Creates a listening descriptor for [http] listen; *fd is -1 if that is not set. */
enum err web_listen(
        const struct tokens *tokens, const char *listen_on, int *fd, struct fault *fault);
/* The answer to GET /events; NULL when there are too many streams. */
struct MHD_Response *stream_create(struct web_call *call);
/* Writes a line to all streams: that the page changed, or only a sign of life. */
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
void heartbeat_run(struct web_call *call);
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
/* Adds a request that ends a silence; id 0 = no such silence. */
void call_end_silence(struct web_call *call, int64_t id);

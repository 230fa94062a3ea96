/*
 * web_internal.h - one HTTP request and its endpoint; for bot/http/ alone.
 */
#pragma once

#include <microhttpd.h>
#include "bot/base/buf.h"
#include "bot/http/web.h"
#include "bot/http/tokens.h"

#define WEB_BODY_MAX (4 * 1024 * 1024)
#define WEB_BATCH_MAX 4096 /* alerts of one request */

struct web_call;

struct endpoint {
	const char *method;
	const char *path; /* with a / at its end: the start of one */
	unsigned right;   /* of enum token_right; 0 = for everybody */
	/* Makes the requests, or the answer. */
	void (*run)(struct web_call *call);
	/* Makes the answer of theirs; NULL: call_finish_op(). */
	void (*finish)(struct web_call *call);
};

struct web_call {
	struct web *web;
	struct MHD_Connection *connection;
	const struct endpoint *endpoint;
	char *rest;                  /* of the path, after the endpoint's, decoded */
	const struct config *config; /* borrowed */
	struct alert_peer peer;
	struct buf body;
	json_t *requests; /* array, of the socket's protocol */
	json_t *answers;  /* array, in their order; null while unanswered */
	unsigned pending;
	bool suspended, ready; /* ready: the answer can go out */
	unsigned status;       /* of the answer */
	const char *type;      /* its content type */
	struct buf text;
};

/* The endpoint of a path. *allowed: the path is one's, whatever the method. */
const struct endpoint *endpoint_find(const char *method, const char *path, bool *allowed);

/* A query parameter, or NULL; borrowed. */
const char *call_query(struct web_call *call, const char *name);
/* A request header, or "". */
const char *call_header(struct web_call *call, const char *name);
/* Adds a request; takes the reference. */
void call_request(struct web_call *call, json_t *request);
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
/* One answer as it is; of several an array. */
void call_finish_op(struct web_call *call);

/* The body as JSON; odd parts are mended and noted. NULL: it is none, and the answer is made. */
json_t *call_read_json(struct web_call *call, json_t *notes);

/* Hands in a request whose answer nobody waits for; takes the reference. */
void web_submit(struct web *web, json_t *request);
/* An alert that resolves by itself at ends_ms, by this request, unless it comes again before;
 * request NULL: it is over. */
void web_expire(struct web *web, const char *key, int64_t ends_ms, json_t *request);

/* The endpoints' own files. */
void page_run(struct web_call *call);
void page_finish(struct web_call *call);
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

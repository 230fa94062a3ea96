/*
 * client.h - calls of the Matrix client-server API: paths, JSON, error codes, access token.
 *
 * Tokens: the client keeps the current one. When the homeserver refuses it (401 M_UNKNOWN_TOKEN),
 * every call ends in ERR_AUTH, on_auth_lost is called once, and further calls end in ERR_AUTH at
 * once until mx_set_token() sets another. A call that was sent with a token replaced meanwhile, and
 * refused for it, ends in ERR_NET with `sent` false and is to be repeated. While no token is set,
 * calls are sent without one (login, discovery).
 */
#pragma once

#include <jansson.h>
#include "bot/matrix/http.h"

struct mx;
struct mx_call;

struct mx_answer {
	enum err code;          /* by status and errcode: OK, ERR_LIMITED, ERR_SERVER, ERR_NET,
	                           ERR_TIMEOUT, ERR_PROTO, ERR_AUTH, ERR_DENIED, ERR_NOT_FOUND,
	                           ERR_TOO_LARGE, ERR_REJECTED, ERR_CANCELED */
	long status;            /* HTTP status, 0 = none */
	const json_t *body;     /* object, valid during the callback; NULL when there is none */
	char errcode[64];       /* "M_FORBIDDEN", "" when there is none */
	char error[256];        /* for people */
	int64_t retry_after_ms; /* from header or body; -1 = none */
	bool soft_logout;
	bool too_large; /* the answer was over our limit (ERR_PROTO) */
	bool sent;      /* the request may have taken effect */
	int64_t duration_ms;
};

typedef void (*mx_done_fn)(const struct mx_answer *answer, void *arg);

struct mx_events {
	void (*on_auth_lost)(bool soft_logout, void *arg);
	void *arg;
};

/* base_url: without trailing slash, as found by discovery. `http` is borrowed. */
struct mx *mx_create(struct http *http, const char *base_url, const struct mx_events *events);
/* Another client of the same homeserver, without token and events. */
struct mx *mx_create_beside(const struct mx *mx);
void mx_destroy(struct mx *mx); /* only when no call is in flight */

/* Sets the access token, copied; NULL = none. ERR_INVALID when the text cannot be a token (then
 * nothing changes). */
enum err mx_set_token(struct mx *mx, const char *token);
bool mx_has_token(const struct mx *mx);

/*
 * path: after "/_matrix/client", e.g. "/v3/sync", or a whole one of Synapse's admin API; already
 * percent-encoded, query included (see mx_path()). body: borrowed, NULL = none (a PUT or POST then
 * sends {}). The callback runs exactly once, never before this returns.
 */
struct mx_call *mx_start(struct mx *mx, const char *method, const char *path, const json_t *body,
        int64_t timeout_ms, mx_done_fn done, void *arg);
/* As above, with a body that is JSON text already (a stored event's content, sent byte for
 * byte). */
struct mx_call *mx_start_text(struct mx *mx, const char *method, const char *path, const char *body,
        int64_t timeout_ms, mx_done_fn done, void *arg);
/* Uploads a file of len bytes to the media repository; the answer has its `content_uri`. data:
 * borrowed. */
struct mx_call *mx_upload(struct mx *mx, const char *content_type, const void *data, size_t len,
        int64_t timeout_ms, mx_done_fn done, void *arg);
/* Ends the call with ERR_CANCELED. Not allowed once its callback has begun. */
void mx_cancel(struct mx_call *call);

/* Builds a path: each %s of the format is percent-encoded, %d takes an int64_t. Owned by the
 * caller. */
char *mx_path(const char *format, ...);

/*
 * ask.h - a blocking client of the homeserver, for the commands: discovery once, then one request
 * after the other on a loop of its own.
 */
#pragma once

#include <jansson.h>
#include "bot/config/config.h"

struct ask;

struct ask_answer {
	enum err code;          /* as in struct mx_answer */
	json_t *body;           /* owned; NULL when there is none */
	char errcode[64];       /* "M_FORBIDDEN", "" when there is none */
	char error[256];        /* for people, neutral */
	int64_t retry_after_ms; /* -1 = none */
};

/* Discovers the homeserver of [matrix]. On failure *out is NULL and *fault has the reason. The
 * config is borrowed and must outlive it. */
enum err ask_open(struct ask **out, const struct config *config, struct fault *fault);
void ask_close(struct ask *ask); /* NULL is allowed */

/* The base URL of the homeserver, without a trailing slash. */
const char *ask_url(const struct ask *ask);

/* Sets the access token of later requests, copied; NULL = none. ERR_INVALID: not a possible
 * token. */
enum err ask_set_token(struct ask *ask, const char *token);

/* path and body as in mx_start(). The caller finishes the answer. */
void ask_call(struct ask *ask, const char *method, const char *path, const json_t *body,
        struct ask_answer *answer);
void ask_answer_finish(struct ask_answer *answer);

/* The homeserver's clock (header Date, whole seconds) in ms, and the local time halfway through the
 * request. */
enum err ask_date(struct ask *ask, int64_t *theirs_ms, int64_t *ours_ms, struct fault *fault);

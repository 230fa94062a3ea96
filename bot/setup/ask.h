/*
 * ask.h - the blocking side of the homeserver, for the commands: discovery once, then one request
 * after the other on a loop of its own.
 */
#pragma once

#include <jansson.h>
#include "bot/config/config.h"

struct ask;

struct ask_answer {
	enum err code;          /* as of struct mx_answer */
	json_t *body;           /* owned; NULL when there is none */
	char errcode[64];       /* "M_FORBIDDEN", "" when there is none */
	char error[256];        /* for people, neutral */
	int64_t retry_after_ms; /* -1 = none */
};

/* Finds the homeserver of [matrix]. On failure *out is NULL and *fault says why. The config is
 * borrowed and must outlive it. */
enum err ask_open(struct ask **out, const struct config *config, struct fault *fault);
void ask_close(struct ask *ask); /* NULL is allowed */

/* Its base URL, without a trailing slash. */
const char *ask_url(const struct ask *ask);

/* Used from now on; NULL = none. Copied. ERR_INVALID for a text that no token can be. */
enum err ask_set_token(struct ask *ask, const char *token);

/* path and body as of mx_start(). The answer is finished by the caller. */
void ask_call(struct ask *ask, const char *method, const char *path, const json_t *body,
        struct ask_answer *answer);
void ask_answer_finish(struct ask_answer *answer);

/* What the homeserver's clock says (header Date, whole seconds), in ms, and the time here in the
 * middle of the asking. */
enum err ask_date(struct ask *ask, int64_t *theirs_ms, int64_t *ours_ms, struct fault *fault);

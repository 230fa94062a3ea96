/*
 * scripted_http.h - a homeserver without a socket, in the place of bot/matrix/http.c: each request
 * waits until the test answers it, fails it, or has said beforehand what is answered.
 *
 * Answers come from the loop, never from within the call that asked, as with the real one. Paths
 * are what follows "/_matrix/client", or the URL's path for others; they are compared up to the
 * length of what the test names, so "/v3/sync" is any /sync.
 */
#pragma once

#include <jansson.h>
#include "bot/matrix/http.h"

/* Begins with nothing; one homeserver a test. */
void script_begin(uv_loop_t *loop);
/* No HTTP may be open any more. */
void script_end(void);

/* From now on such requests are answered at once; json may be NULL: they wait for the test after
 * all. The latest rule that fits counts. */
void script_rule(const char *method, const char *path, int status, const char *json);

/* The oldest such request that nobody has seen yet; turns the loop until it comes. Valid until it
 * is answered or ends otherwise. */
struct http_request *script_wait(const char *method, const char *path);
/* How many such requests wait for an answer, seen or not. */
unsigned script_open(const char *method, const char *path);
/* How many such requests there were. */
unsigned script_count(const char *method, const char *path);

const char *script_path(const struct http_request *request);
const char *script_body(const struct http_request *request);   /* "" = none */
const char *script_bearer(const struct http_request *request); /* "" = none */
/* A member of the body that is an object; "" when there is none. Valid as long as the request. */
const char *script_member(const struct http_request *request, const char *name);

void script_answer(struct http_request *request, int status, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
/* No answer comes; sent: it may have been carried out. */
void script_fail(struct http_request *request, enum err code, bool sent);

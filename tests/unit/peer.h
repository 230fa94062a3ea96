/*
 * peer.h - a scripted HTTP server inside a test: on the test's own loop, on a random loopback
 * port. Each request that was read whole is given to the script, which answers now, later, in
 * pieces, wrongly or never.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

struct peer;
struct peer_request; /* valid until it is answered whole, reset, or the peer closes */

typedef void (*peer_script_fn)(struct peer_request *request, void *arg);

struct peer *peer_create(uv_loop_t *loop, peer_script_fn script, void *arg);
void peer_close(struct peer *peer, void (*closed)(void *arg), void *arg);
int peer_port(const struct peer *peer);
const char *peer_url(const struct peer *peer);
unsigned peer_connections(const struct peer *peer); /* accepted so far */
unsigned peer_requests(const struct peer *peer);    /* read so far */

const char *peer_method(const struct peer_request *request);
const char *peer_target(const struct peer_request *request); /* path and query */
/* A header's value by its lower-case name; "" when there is none. */
const char *peer_header(const struct peer_request *request, const char *name);
const char *peer_body(const struct peer_request *request);
/* "PUT /path" without the query. */
bool peer_is(const struct peer_request *request, const char *method, const char *path);

/* Answers whole. headers: lines that end in \r\n, or NULL. */
void peer_answer(struct peer_request *request, int status, const char *headers, const char *body);
void peer_answer_json(struct peer_request *request, int status, const char *format, ...);
/* Bytes as they are; the request stays open. */
void peer_raw(struct peer_request *request, const void *data, size_t len);
/* Closes its connection in order, or by a reset. */
void peer_hang_up(struct peer_request *request);
void peer_reset(struct peer_request *request);

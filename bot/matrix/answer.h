/*
 * answer.h - what an HTTP result means in the Matrix client-server API. Pure.
 */
#pragma once

#include "bot/matrix/client.h"

/*
 * Fills *answer from a result; answer->body is the returned object (owned by the caller) or NULL.
 *
 * An answer that is not a homeserver's (a 404 without an errcode, as a reverse proxy gives while
 * the homeserver starts) counts as temporary, so that no message is given up for it.
 */
json_t *answer_read(struct mx_answer *answer, const struct http_result *result);

/*
 * Parses JSON that other people could fill: NUL is allowed, and what jansson refuses although
 * the server passed it on (integers beyond 64 bits, reals beyond double, lone surrogates) is
 * replaced by something harmless, so that one hostile event cannot block every /sync for ever.
 * NULL when it is no JSON object.
 */
json_t *answer_parse(const char *text, size_t len);

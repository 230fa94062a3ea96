/*
 * answer.h - interprets an HTTP result by the rules of the Matrix client-server API. Pure.
 */
#pragma once

#include "bot/matrix/client.h"

/*
 * Fills *answer from a result; answer->body is the returned object (owned by the caller) or NULL.
 *
 * An answer that is not from a homeserver (a 404 without an errcode, as a reverse proxy sends
 * while the homeserver starts) counts as temporary, so that it makes no message undeliverable.
 */
json_t *answer_read(struct mx_answer *answer, const struct http_result *result);

/*
 * Parses JSON with content from untrusted users: NUL is allowed, and what jansson rejects although
 * the server passed it on (integers beyond 64 bits, reals beyond double, lone surrogates) is
 * replaced by something harmless, so that one malicious event cannot block every /sync for ever.
 * Returns a new reference; NULL when the text is no JSON object.
 */
json_t *answer_parse(const char *text, size_t len);

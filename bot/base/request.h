/*
 * request.h - from the bytes of one line to a JSON object. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <jansson.h>
#include "bot/base/err.h"

#define REQUEST_MAX (64 * 1024) /* bytes of a request */
#define REQUEST_DEPTH_MAX 16    /* nested arrays and objects; an alert needs two */

/* The key under which a request carries what was mended in it, as the answer's `warnings` tell it:
 * no field can have this name. matrix-send-message uses it too. */
#define REQUEST_MENDED ""

/*
 * Parses one line. An alert that strict JSON refuses for a part of it is mended (json_mend.h), and
 * the notes stand under REQUEST_MENDED. In all other requests are refused: what is not JSON or not
 * UTF-8, NUL in any form, a key given twice, deep nesting. Anything but an object at the top is
 * refused in any case. On ERR_INVALID *fault says why and *position is the byte (from 0) where it
 * went wrong. The object is owned by the caller.
 */
enum err request_parse(
        const char *line, size_t len, json_t **out, size_t *position, struct fault *fault);

/* The request's notes of what was mended; borrowed, made when there is none. */
json_t *request_notes(json_t *request);

/* True when an alert names its app, without which it is refused. */
bool request_has_app(const json_t *alert);

/* Makes an alert that is larger than REQUEST_MAX fit: its longest texts are cut, as a last resort
 * what is no common key of an alert is dropped. Noted. */
void request_fit(json_t *alert);

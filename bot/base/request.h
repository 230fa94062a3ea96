/*
 * request.h - parses one line into a JSON object. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <jansson.h>
#include "bot/base/err.h"

#define REQUEST_MAX (64 * 1024) /* bytes of a request */
#define REQUEST_DEPTH_MAX 16    /* nesting depth of arrays and objects; an alert needs two */

/* The key under which a request carries notes about what was corrected, which the answer returns as
 * `warnings`: no field can have this name. Used by matrix-send-message, too. */
#define REQUEST_MENDED ""

/*
 * Parses one line. An alert that strict JSON rejects is corrected (json_mend.h), and the notes are
 * stored under REQUEST_MENDED. In all other requests these are rejected: invalid JSON or UTF-8, NUL
 * in any form, repeated keys, deep nesting. Anything but an object at the top level is always
 * rejected. On ERR_INVALID *fault has the reason and *position the offset of the error in bytes
 * (from 0). The object is owned by the caller.
 */
enum err request_parse(
        const char *line, size_t len, json_t **out, size_t *position, struct fault *fault);

/* The request's array of notes; borrowed, created when there is none. */
json_t *request_notes(json_t *request);

/* Whether an alert names its app, without which it is rejected. */
bool request_has_app(const json_t *alert);

/* Makes an alert larger than REQUEST_MAX fit: its longest texts are cut, to the same length; as a
 * last resort, all keys but the common ones of alerts are dropped. Adds notes. */
void request_fit(json_t *alert);

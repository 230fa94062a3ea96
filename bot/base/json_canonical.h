/*
 * json_canonical.h - canonical JSON (the Matrix specification's appendices): the shortest text,
 * with keys sorted by code point. It exists only for what an event may hold: no real numbers,
 * integers within ±(2^53 - 1), nesting of at most JSON_CANONICAL_DEPTH.
 *
 * Costs much less than json_dumps(), which looks for loops and allocates at each level.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

#define JSON_CANONICAL_DEPTH 64
#define JSON_CANONICAL_INTEGER INT64_C(9007199254740991) /* the greatest integer */
#define JSON_CANONICAL_MAX (1024 * 1024)                 /* bytes of text */

/* The canonical text, owned by the caller; NULL when the value has no canonical form or is too
 * large. */
char *json_canonical(const json_t *value);

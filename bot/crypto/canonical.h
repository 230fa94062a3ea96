/*
 * canonical.h - canonical JSON, and JSON objects signed with Ed25519 over it (the Matrix
 * specification's appendices).
 *
 * Canonical JSON is the shortest text, with keys sorted by code point. It exists only for what
 * Matrix allows: no real numbers, integers within ±(2^53 - 1), nesting of at most CANONICAL_DEPTH.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define CANONICAL_DEPTH 64
#define CANONICAL_INTEGER INT64_C(9007199254740991) /* the greatest integer */
#define CANONICAL_MAX (1024 * 1024)                 /* bytes of text */

/* The canonical text, owned by the caller; NULL when the value has no canonical form or is too
 * large. */
char *canonical_json(const json_t *value);

/* The text that a signature of the object covers: everything but `signatures` and `unsigned`.
 * Owned by the caller; NULL as above. */
char *canonical_signed_part(const json_t *object);

/* The object's signature by the user's key key_id ("ed25519:DEVICE"), borrowed from the object;
 * NULL when there is none. */
const char *canonical_signature(const json_t *object, const char *user, const char *key_id);

/* Adds a signature to those that the object has. */
void canonical_sign_add(
        json_t *object, const char *user, const char *key_id, const char *signature);

/* True when the object has a valid signature by the user's key key_id, made with public_key. */
bool canonical_verify(
        const json_t *object, const char *user, const char *key_id, const char *public_key);

/*
 * canonical.h - canonical JSON, and JSON objects signed with Ed25519 over it (the Matrix
 * specification's appendices).
 *
 * Canonical text is the shortest form with keys sorted by code point. Only what Matrix allows has
 * one: no real numbers, integers within ±(2^53 - 1), nesting of at most CANONICAL_DEPTH.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#define CANONICAL_DEPTH 64
#define CANONICAL_MAX (1024 * 1024) /* bytes of text */

/* The text, owned by the caller; NULL when the value has no canonical form or is too large. */
char *canonical_json(const json_t *value);

/* What a signature of the object covers: all but `signatures` and `unsigned`. NULL as above. */
char *canonical_signed_part(const json_t *object);

/* The signature by key_id ("ed25519:DEVICE") of user in the object; NULL when there is none. */
const char *canonical_signature(const json_t *object, const char *user, const char *key_id);

/* Puts a signature beside those that are there. */
void canonical_sign_add(
        json_t *object, const char *user, const char *key_id, const char *signature);

/* True when the object has a good signature by key_id of user, made with the public key. */
bool canonical_verify(
        const json_t *object, const char *user, const char *key_id, const char *public_key);

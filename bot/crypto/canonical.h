/*
 * canonical.h - JSON objects signed with Ed25519 over their canonical text (the Matrix
 * specification's appendices).
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* The text that a signature of the object covers: everything but `signatures` and `unsigned`.
 * Owned by the caller; NULL when it has no canonical form. */
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

/*
 * signed_keys.h - checks key objects from the homeserver: whose they are and who signed them.
 * Pure. Returned strings are borrowed from the object.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

/* The only public key of a cross-signing key object, NULL when it has not exactly one. */
const char *signed_keys_only(const json_t *object);
/* As above, provided the object is this user's and for that usage ("master", "self_signing", …). */
const char *signed_keys_cross(const json_t *object, const char *user_id, const char *usage);
/* Whether the user's cross-signing key has signed the object. */
bool signed_keys_by(const json_t *object, const char *user_id, const char *key);
/* Whether the object is well-formed device keys of that device, signed by itself. */
bool signed_keys_of_device(const json_t *keys, const char *user_id, const char *device_id);

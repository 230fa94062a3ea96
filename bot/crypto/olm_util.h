/*
 * olm_util.h - for the olm_*.c only: memory, random bytes and results in libolm's manner.
 */
#pragma once

#include <olm/olm.h>
#include <stdbool.h>
#include <stddef.h>

/* Ends the process when libolm fails where only a mistake of ours can be the reason. */
size_t olm_util_must(size_t result, const char *what);
/* Random bytes of that length, never NULL; x_wipe_free() them. */
void *olm_util_random(size_t len);
/* A copy that libolm may overwrite. */
void *olm_util_copy(const char *text, size_t *len);
/* True when text can be a public key: 43 characters of base64. */
bool olm_util_is_key(const char *text);
/* Terminates the len bytes at plaintext and refuses NULs in them; wipes and frees them if so. */
bool olm_util_is_text(char *plaintext, size_t len);

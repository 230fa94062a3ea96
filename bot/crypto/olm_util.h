/*
 * olm_util.h - for the olm_*.c only: random bytes, copies and error handling as libolm needs them.
 */
#pragma once

#include <olm/olm.h>
#include <stdbool.h>
#include <stddef.h>

/* Ends the process when libolm fails where only a programming error can be the reason. */
size_t olm_util_must(size_t result, const char *what);
/* Random bytes of that length, never NULL; x_wipe_free() them. */
void *olm_util_random(size_t len);
/* A copy that libolm may overwrite. */
void *olm_util_copy(const char *text, size_t *len);
/* True when text can be a public key: 43 characters of base64. */
bool olm_util_is_key(const char *text);
/* NUL-terminates the len bytes at plaintext. False when they contain a NUL; they are wiped and
 * freed then. */
bool olm_util_is_text(char *plaintext, size_t len);

/*
 * prim.h - primitives that libolm lacks, from nettle: SHA-256, HMAC, HKDF, PBKDF2, AES-CTR; random
 * bytes of the kernel; and base64 and base58 for keys as text.
 *
 * Nettle needs no set-up and no memory, so these cannot fail, but for the kernel's random numbers:
 * without them the process ends, since continuing with an incomplete key would be worse.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PRIM_HASH 32 /* bytes of SHA-256, and of an HMAC with it */

void prim_random(void *out, size_t len); /* getrandom(2) */
void prim_sha256(const void *data, size_t len, uint8_t out[PRIM_HASH]);
void prim_hmac(
        const void *key, size_t key_len, const void *data, size_t len, uint8_t out[PRIM_HASH]);
/* RFC 5869 with SHA-256; salt NULL = zeros; out_len at most 255 * 32. */
void prim_hkdf(const void *key, size_t key_len, const void *salt, size_t salt_len, const char *info,
        void *out, size_t out_len);
/* With SHA-512, as secret storage's passphrases use it. */
void prim_pbkdf2(
        const char *passphrase, const char *salt, unsigned rounds, void *out, size_t out_len);
/* AES-256-CTR, the same both ways; in and out may be the same. */
void prim_aes_ctr(
        const uint8_t key[32], const uint8_t iv[16], const void *in, void *out, size_t len);
/* Compares in constant time. */
bool prim_equal(const void *a, const void *b, size_t len);

/* Standard alphabet; padded or not. The text is owned by the caller. */
char *prim_base64(const void *data, size_t len, bool padded);
/* Accepts padded and unpadded text; NULL when it is not base64. Owned by the caller. */
uint8_t *prim_unbase64(const char *text, size_t *len);
/* Decodes exactly len bytes into out; false when the text is anything else. */
bool prim_unbase64_to(const char *text, void *out, size_t len);

/* Bitcoin's alphabet, for recovery keys of at most 64 bytes. Owned by the caller. */
char *prim_base58(const uint8_t *data, size_t len);
/* Blanks are skipped. False when the text is not base58 or longer than size bytes. */
bool prim_unbase58(const char *text, uint8_t *out, size_t size, size_t *len);

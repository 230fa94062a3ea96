/*
 * prim.c - see prim.h.
 */
#include "bot/crypto/prim.h"

#include <errno.h>
#include <nettle/aes.h>
#include <nettle/base64.h>
#include <nettle/ctr.h>
#include <nettle/hkdf.h>
#include <nettle/hmac.h>
#include <nettle/memops.h>
#include <nettle/pbkdf2.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include "bot/base/alloc.h"
#include "bot/base/log.h"

#define BASE58_MAX 64 /* bytes of a value */

static const char base58_digits[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

static void prim_must(bool good, const char *what)
{
	if (!good) {
		log_error("crypto", "%s failed: cannot continue without it", what);
		abort();
	}
}

void prim_random(void *out, size_t len)
{
	uint8_t *next = out;

	while (len > 0) {
		ssize_t got = getrandom(next, len, 0);

		prim_must(got > 0 || errno == EINTR, "getrandom");
		if (got > 0) {
			next += got;
			len -= (size_t)got;
		}
	}
}

void prim_sha256(const void *data, size_t len, uint8_t out[PRIM_HASH])
{
	struct sha256_ctx hash;

	sha256_init(&hash);
	sha256_update(&hash, len, data);
	sha256_digest(&hash, PRIM_HASH, out);
	explicit_bzero(&hash, sizeof(hash));
}

void prim_hmac(
        const void *key, size_t key_len, const void *data, size_t len, uint8_t out[PRIM_HASH])
{
	struct hmac_sha256_ctx hmac;

	hmac_sha256_set_key(&hmac, key_len, key);
	hmac_sha256_update(&hmac, len, data);
	hmac_sha256_digest(&hmac, PRIM_HASH, out);
	explicit_bzero(&hmac, sizeof(hmac));
}

void prim_hkdf(const void *key, size_t key_len, const void *salt, size_t salt_len, const char *info,
        void *out, size_t out_len)
{
	static const uint8_t zeros[PRIM_HASH];
	uint8_t secret[PRIM_HASH];
	struct hmac_sha256_ctx hmac;

	prim_must(out_len <= 255 * PRIM_HASH, "HKDF");
	prim_hmac(salt ? salt : zeros, salt ? salt_len : sizeof(zeros), key, key_len, secret);
	hmac_sha256_set_key(&hmac, sizeof(secret), secret);
	hkdf_expand(&hmac, (nettle_hash_update_func *)hmac_sha256_update,
	        (nettle_hash_digest_func *)hmac_sha256_digest, PRIM_HASH, strlen(info),
	        (const uint8_t *)info, out_len, out);
	explicit_bzero(&hmac, sizeof(hmac));
	explicit_bzero(secret, sizeof(secret));
}

void prim_pbkdf2(
        const char *passphrase, const char *salt, unsigned rounds, void *out, size_t out_len)
{
	prim_must(rounds > 0, "PBKDF2");
	pbkdf2_hmac_sha512(strlen(passphrase), (const uint8_t *)passphrase, rounds, strlen(salt),
	        (const uint8_t *)salt, out_len, out);
}

void prim_aes_ctr(
        const uint8_t key[32], const uint8_t iv[16], const void *in, void *out, size_t len)
{
	struct CTR_CTX(struct aes256_ctx, AES_BLOCK_SIZE) aes;

	aes256_set_encrypt_key(&aes.ctx, key);
	CTR_SET_COUNTER(&aes, iv);
	CTR_CRYPT(&aes, aes256_encrypt, len, out, in);
	explicit_bzero(&aes, sizeof(aes));
}

bool prim_equal(const void *a, const void *b, size_t len)
{
	return memeql_sec(a, b, len);
}

char *prim_base64(const void *data, size_t len, bool padded)
{
	char *text = x_calloc(1, BASE64_ENCODE_RAW_LENGTH(len) + 1);
	size_t written = BASE64_ENCODE_RAW_LENGTH(len);

	base64_encode_raw(text, len, data);
	while (!padded && written > 0 && text[written - 1] == '=')
		text[--written] = '\0';
	return text;
}

static int prim_base64_value(char c)
{
	static const char digits[] =
	        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c == '\0' ? NULL : strchr(digits, c);

	return !at ? -1 : (int)(at - digits);
}

uint8_t *prim_unbase64(const char *text, size_t *len)
{
	size_t digits = strlen(text), bits = 0, n = 0;
	uint32_t held = 0;
	uint8_t *out;

	while (digits > 0 && text[digits - 1] == '=' && strlen(text) - digits < 2)
		digits--;
	if (digits % 4 == 1 || (digits != strlen(text) && strlen(text) % 4 != 0))
		return NULL;
	out = x_calloc(1, digits / 4 * 3 + 3);
	for (size_t i = 0; i < digits; i++) {
		int value = prim_base64_value(text[i]);

		if (value < 0) {
			x_wipe_free(out, n);
			return NULL;
		}
		held = held << 6 | (uint32_t)value;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			out[n++] = (uint8_t)(held >> bits);
		}
	}
	*len = n;
	return out;
}

bool prim_unbase64_to(const char *text, void *out, size_t len)
{
	size_t got = 0;
	uint8_t *data = text ? prim_unbase64(text, &got) : NULL;
	bool good = data && got == len;

	if (good)
		memcpy(out, data, len);
	x_wipe_free(data, got);
	return good;
}

/* Divides the big-endian number by 58 in place and returns the remainder. */
static unsigned prim_divide_by_58(uint8_t *number, size_t len)
{
	unsigned rest = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned value = rest * 256 + number[i];

		number[i] = (uint8_t)(value / 58);
		rest = value % 58;
	}
	return rest;
}

char *prim_base58(const uint8_t *data, size_t len)
{
	uint8_t number[BASE58_MAX];
	char text[BASE58_MAX * 2];
	size_t at = sizeof(text), zeros = 0;
	char *out;

	prim_must(len <= BASE58_MAX, "base58");
	memcpy(number, data, len);
	while (zeros < len && data[zeros] == 0)
		zeros++;
	for (size_t first = zeros; first < len;) {
		text[--at] = base58_digits[prim_divide_by_58(number + first, len - first)];
		while (first < len && number[first] == 0)
			first++;
	}
	while (zeros-- > 0)
		text[--at] = base58_digits[0];
	out = x_strndup(text + at, sizeof(text) - at);
	explicit_bzero(number, sizeof(number));
	explicit_bzero(text, sizeof(text));
	return out;
}

bool prim_unbase58(const char *text, uint8_t *out, size_t size, size_t *len)
{
	uint8_t number[BASE58_MAX] = {0}; /* the value, at the end of the array */
	size_t used = 0, zeros = 0;
	bool leading = true, good = true;

	for (; good && *text != '\0'; text++) {
		const char *digit = strchr(base58_digits, *text);
		unsigned carry;

		if (*text == ' ' || *text == '\t' || *text == '\n' || *text == '\r')
			continue;
		if (!digit) {
			good = false;
			break;
		}
		carry = (unsigned)(digit - base58_digits);
		leading = leading && carry == 0;
		zeros += leading ? 1 : 0;
		for (size_t i = 0; i < used || carry > 0; i++) {
			unsigned value;

			if (i >= BASE58_MAX) {
				good = false;
				break;
			}
			value = number[BASE58_MAX - 1 - i] * 58u + carry;
			number[BASE58_MAX - 1 - i] = (uint8_t)value;
			carry = value >> 8;
			used = i >= used ? i + 1 : used;
		}
	}
	good = good && zeros <= size && used <= size - zeros;
	if (good) {
		memset(out, 0, zeros);
		memcpy(out + zeros, number + BASE58_MAX - used, used);
		*len = zeros + used;
	}
	explicit_bzero(number, sizeof(number));
	return good;
}

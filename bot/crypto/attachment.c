/*
 * attachment.c - see attachment.h.
 */
#include "bot/crypto/attachment.h"

#include <string.h>
#include "bot/base/alloc.h"
#include "bot/crypto/prim.h"

#define KEY_BYTES 32
#define IV_BYTES 16
#define IV_RANDOM_BYTES 8 /* the other half counts blocks */

/* The key in base64url, as JSON Web Key requires. */
static char *attachment_key(const uint8_t key[KEY_BYTES])
{
	char *text = prim_base64(key, KEY_BYTES, false);

	for (char *at = text; *at; at++)
		*at = *at == '+' ? '-' : *at == '/' ? '_' : *at;
	return text;
}

json_t *attachment_encrypt(void *data, size_t len)
{
	uint8_t key[KEY_BYTES], iv[IV_BYTES] = {0}, hash[PRIM_HASH];
	char *key_text, *iv_text, *hash_text;
	json_t *file;

	prim_random(key, sizeof(key));
	prim_random(iv, IV_RANDOM_BYTES);
	prim_aes_ctr(key, iv, data, data, len);
	prim_sha256(data, len, hash);
	key_text = attachment_key(key);
	iv_text = prim_base64(iv, sizeof(iv), false);
	hash_text = prim_base64(hash, sizeof(hash), false);
	file = json_pack("{s:s, s:{s:s, s:s, s:b, s:s, s:[s, s]}, s:s, s:{s:s}}", "v", "v2", "key",
	        "kty", "oct", "alg", "A256CTR", "ext", 1, "k", key_text, "key_ops", "encrypt",
	        "decrypt", "iv", iv_text, "hashes", "sha256", hash_text);
	explicit_bzero(key, sizeof(key));
	x_wipe_free_str(key_text);
	free(iv_text);
	free(hash_text);
	return file;
}

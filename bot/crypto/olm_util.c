/*
 * olm_util.c - signatures, cross-signing keys, and what the other olm_*.c share; see olm_util.h.
 */
#include "bot/crypto/olm_util.h"

#include <olm/pk.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/log.h"
#include "bot/crypto/olm.h"
#include "bot/crypto/prim.h"

size_t olm_util_must(size_t result, const char *what)
{
	if (result == olm_error()) {
		log_error("crypto", "libolm failed: %s", what);
		abort();
	}
	return result;
}

void *olm_util_random(size_t len)
{
	void *random = x_calloc(1, len + 1);

	prim_random(random, len);
	return random;
}

void *olm_util_copy(const char *text, size_t *len)
{
	*len = strlen(text);
	return x_strndup(text, *len);
}

bool olm_util_is_key(const char *text)
{
	uint8_t bytes[32];

	return text && strlen(text) == OL_KEY_SIZE - 1 &&
	       prim_unbase64_to(text, bytes, sizeof(bytes));
}

bool olm_util_is_text(char *plaintext, size_t len)
{
	plaintext[len] = '\0';
	if (strlen(plaintext) != len) {
		x_wipe_free(plaintext, len);
		return false;
	}
	return true;
}

bool ol_verify(const char *public_key, const char *text, const char *signature)
{
	OlmUtility *utility;
	size_t sig_len = 0, result;
	uint8_t *bytes;
	void *sig;

	bytes = prim_unbase64(signature, &sig_len);
	free(bytes);
	if (!bytes || sig_len != 64 || strlen(signature) != 86 || !olm_util_is_key(public_key))
		return false;
	utility = olm_utility(x_calloc(1, olm_utility_size()));
	sig = olm_util_copy(signature, &sig_len);
	result = olm_ed25519_verify(
	        utility, public_key, strlen(public_key), text, strlen(text), sig, sig_len);
	free(sig);
	olm_clear_utility(utility);
	free(utility);
	return result != olm_error();
}

struct OlmPkSigning *ol_signing_create(
        const uint8_t seed[OL_SEED_LEN], char public_key[OL_KEY_SIZE])
{
	OlmPkSigning *signing = olm_pk_signing(x_calloc(1, olm_pk_signing_size()));

	olm_util_must(olm_pk_signing_public_key_length() == OL_KEY_SIZE - 1 ? 0 : olm_error(),
	        "size of a public key");
	olm_util_must(olm_pk_signing_key_from_seed(
	                      signing, public_key, OL_KEY_SIZE - 1, seed, OL_SEED_LEN),
	        "signing key from seed");
	public_key[OL_KEY_SIZE - 1] = '\0';
	return signing;
}

void ol_signing_free(struct OlmPkSigning *signing)
{
	if (signing) {
		olm_clear_pk_signing(signing);
		free(signing);
	}
}

char *ol_signing_sign(struct OlmPkSigning *signing, const char *text)
{
	size_t len = olm_pk_signature_length();
	char *signature = x_calloc(1, len + 1);

	olm_util_must(olm_pk_sign(signing, (const uint8_t *)text, strlen(text),
	                      (uint8_t *)signature, len),
	        "sign");
	return signature;
}

/*
 * olm_sas.c - libolm's short authentication strings; see olm.h.
 */
#include "bot/crypto/olm.h"

#include <olm/sas.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/crypto/olm_util.h"

struct OlmSAS *ol_sas_create(char public_key[OL_KEY_SIZE])
{
	OlmSAS *sas = olm_sas(x_calloc(1, olm_sas_size()));
	size_t len = olm_create_sas_random_length(sas);
	void *random = olm_util_random(len);

	olm_util_must(olm_create_sas(sas, random, len), "create SAS");
	x_wipe_free(random, len);
	olm_util_must(olm_sas_pubkey_length(sas) == OL_KEY_SIZE - 1 ? 0 : olm_error(),
	        "size of a public key");
	olm_util_must(olm_sas_get_pubkey(sas, public_key, OL_KEY_SIZE - 1), "public key of SAS");
	public_key[OL_KEY_SIZE - 1] = '\0';
	return sas;
}

void ol_sas_free(struct OlmSAS *sas)
{
	if (sas) {
		olm_clear_sas(sas);
		free(sas);
	}
}

enum err ol_sas_set_their_key(struct OlmSAS *sas, const char *their_key)
{
	size_t len, result;
	void *copy;

	if (!olm_util_is_key(their_key))
		return ERR_INVALID;
	copy = olm_util_copy(their_key, &len);
	result = olm_sas_set_their_key(sas, copy, len);
	free(copy);
	return result == olm_error() ? ERR_INVALID : OK;
}

void ol_sas_bytes(struct OlmSAS *sas, const char *info, uint8_t *out, size_t len)
{
	olm_util_must(olm_sas_generate_bytes(sas, info, strlen(info), out, len), "SAS bytes");
}

char *ol_sas_mac(struct OlmSAS *sas, bool old, const char *text, const char *info)
{
	size_t len = olm_sas_mac_length(sas);
	char *mac = x_calloc(1, len + 1);

	olm_util_must((old ? olm_sas_calculate_mac : olm_sas_calculate_mac_fixed_base64)(
	                      sas, text, strlen(text), info, strlen(info), mac, len),
	        "SAS MAC");
	return mac;
}

/*
 * olm_account.c - libolm's accounts; see olm.h.
 */
#include "bot/crypto/olm.h"

#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/crypto/olm_util.h"

static OlmAccount *account_new(void)
{
	return olm_account(x_calloc(1, olm_account_size()));
}

struct OlmAccount *ol_account_create(void)
{
	OlmAccount *account = account_new();
	size_t len = olm_create_account_random_length(account);
	void *random = olm_util_random(len);

	olm_util_must(olm_create_account(account, random, len), "create account");
	x_wipe_free(random, len);
	return account;
}

enum err ol_account_load(
        struct OlmAccount **out, const struct ol_pickle_key *key, const char *pickle)
{
	OlmAccount *account = account_new();
	size_t len;
	void *copy = olm_util_copy(pickle, &len);
	size_t result = olm_unpickle_account(account, key->data, sizeof(key->data), copy, len);

	x_wipe_free(copy, len);
	if (result == olm_error()) {
		ol_account_free(account);
		*out = NULL;
		return ERR_CORRUPT;
	}
	*out = account;
	return OK;
}

char *ol_account_save(struct OlmAccount *account, const struct ol_pickle_key *key)
{
	size_t len = olm_pickle_account_length(account);
	char *pickle = x_calloc(1, len + 1);

	olm_util_must(olm_pickle_account(account, key->data, sizeof(key->data), pickle, len),
	        "pickle account");
	return pickle;
}

void ol_account_free(struct OlmAccount *account)
{
	if (account) {
		olm_clear_account(account);
		free(account);
	}
}

static json_t *parse_keys(char *text)
{
	json_t *keys = json_loads(text, 0, NULL);

	olm_util_must(json_is_object(keys) ? 0 : olm_error(), "read keys");
	free(text);
	return keys;
}

void ol_account_keys(
        struct OlmAccount *account, char curve25519[OL_KEY_SIZE], char ed25519[OL_KEY_SIZE])
{
	size_t len = olm_account_identity_keys_length(account);
	char *text = x_calloc(1, len + 1);
	const char *curve, *ed;
	json_t *keys;

	olm_util_must(olm_account_identity_keys(account, text, len), "identity keys");
	keys = parse_keys(text);
	curve = json_string_value(json_object_get(keys, "curve25519"));
	ed = json_string_value(json_object_get(keys, "ed25519"));
	olm_util_must(
	        olm_util_is_key(curve) && olm_util_is_key(ed) ? 0 : olm_error(), "identity keys");
	memcpy(curve25519, curve, OL_KEY_SIZE);
	memcpy(ed25519, ed, OL_KEY_SIZE);
	json_decref(keys);
}

char *ol_account_sign(struct OlmAccount *account, const char *text)
{
	size_t len = olm_account_signature_length(account);
	char *signature = x_calloc(1, len + 1);

	olm_util_must(olm_account_sign(account, text, strlen(text), signature, len), "sign");
	return signature;
}

static json_t *inner_keys(char *text)
{
	json_t *keys = parse_keys(text);
	json_t *inner = json_incref(json_object_get(keys, "curve25519"));

	json_decref(keys);
	return inner ? inner : json_object();
}

json_t *ol_account_one_time_keys(struct OlmAccount *account)
{
	size_t len = olm_account_one_time_keys_length(account);
	char *text = x_calloc(1, len + 1);

	olm_util_must(olm_account_one_time_keys(account, text, len), "one-time keys");
	return inner_keys(text);
}

json_t *ol_account_fallback_key(struct OlmAccount *account)
{
	size_t len = olm_account_unpublished_fallback_key_length(account);
	char *text = x_calloc(1, len + 1);

	olm_util_must(olm_account_unpublished_fallback_key(account, text, len), "fallback key");
	return inner_keys(text);
}

void ol_account_make_one_time_keys(struct OlmAccount *account, size_t count)
{
	size_t len = olm_account_generate_one_time_keys_random_length(account, count);
	void *random = olm_util_random(len);

	olm_util_must(olm_account_generate_one_time_keys(account, count, random, len),
	        "make one-time keys");
	x_wipe_free(random, len);
}

void ol_account_make_fallback_key(struct OlmAccount *account)
{
	size_t len = olm_account_generate_fallback_key_random_length(account);
	void *random = olm_util_random(len);

	olm_util_must(olm_account_generate_fallback_key(account, random, len), "make fallback key");
	x_wipe_free(random, len);
}

void ol_account_forget_old_fallback_key(struct OlmAccount *account)
{
	olm_account_forget_old_fallback_key(account);
}

void ol_account_published(struct OlmAccount *account)
{
	olm_util_must(olm_account_mark_keys_as_published(account), "mark keys as published");
}

/*
 * canonical.c - see canonical.h.
 */
#include "bot/crypto/canonical.h"

#include <stdlib.h>
#include <string.h>
#include "bot/base/json_canonical.h"
#include "bot/crypto/olm.h"

char *canonical_signed_part(const json_t *object)
{
	json_t *copy;
	char *text;

	if (!json_is_object(object))
		return NULL;
	copy = json_copy((json_t *)object);
	json_object_del(copy, "signatures");
	json_object_del(copy, "unsigned");
	text = json_canonical(copy);
	json_decref(copy);
	return text;
}

const char *canonical_signature(const json_t *object, const char *user, const char *key_id)
{
	const json_t *by_user = json_object_get(json_object_get(object, "signatures"), user);

	return json_string_value(json_object_get(by_user, key_id));
}

void canonical_sign_add(json_t *object, const char *user, const char *key_id, const char *signature)
{
	json_t *signatures = json_object_get(object, "signatures");
	json_t *by_user;

	if (!signatures) {
		signatures = json_object();
		json_object_set_new(object, "signatures", signatures);
	}
	by_user = json_object_get(signatures, user);
	if (!by_user) {
		by_user = json_object();
		json_object_set_new(signatures, user, by_user);
	}
	json_object_set_new(by_user, key_id, json_string(signature));
}

bool canonical_verify(
        const json_t *object, const char *user, const char *key_id, const char *public_key)
{
	const char *signature = canonical_signature(object, user, key_id);
	char *text;
	bool good;

	if (!signature || !public_key)
		return false;
	text = canonical_signed_part(object);
	good = text && ol_verify(public_key, text, signature);
	free(text);
	return good;
}

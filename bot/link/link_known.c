/*
 * link_known.c - see link_internal.h: whether the access token is the one that an earlier run has
 * proven, so that this run need not wait for /whoami. The database keeps no token, only an HMAC of
 * the token, of the homeserver's URL and of the account's ids, under a random salt.
 */
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/crypto/prim.h"
#include "bot/link/link_internal.h"

#define SALT_LEN 16
#define SALT_TEXT 22 /* its base64 */

/* salt: as text, of which the first SALT_TEXT characters are used. */
static char *known_proof(const struct link *link, const char *salt, const char *token,
        const char *user_id, const char *device_id)
{
	char *text = x_asprintf("%s\n%s\n%s\n%s", link->homeserver, user_id, device_id, token);
	uint8_t hash[PRIM_HASH];
	char *encoded, *proof;

	prim_hmac(salt, SALT_TEXT, text, strlen(text), hash);
	encoded = prim_base64(hash, sizeof(hash), false);
	proof = x_asprintf("%.*s.%s", SALT_TEXT, salt, encoded);
	x_wipe_free_str(text);
	free(encoded);
	return proof;
}

static bool known_has_salt(const char *proof)
{
	return proof && strlen(proof) > SALT_TEXT;
}

bool link_knows_token(const struct link *link, const char *token)
{
	const struct identity_job *stored = link->stored;
	char *proof;
	bool same;

	if (!stored || !known_has_salt(stored->stored_proof) || !stored->stored_user ||
	        !stored->stored_device || stored->new_device ||
	        strcmp(stored->stored_user, link->config->matrix.user) != 0)
		return false;
	proof = known_proof(
	        link, stored->stored_proof, token, stored->stored_user, stored->stored_device);
	same = strcmp(proof, stored->stored_proof) == 0;
	free(proof);
	return same;
}

char *link_prove_token(
        const struct link *link, const char *token, const char *user_id, const char *device_id)
{
	const char *stored = link->stored ? link->stored->stored_proof : NULL;
	uint8_t random[SALT_LEN];
	char *salt, *proof;

	if (known_has_salt(stored)) /* so that the same token gives the same text */
		return known_proof(link, stored, token, user_id, device_id);
	prim_random(random, sizeof(random));
	salt = prim_base64(random, sizeof(random), false);
	proof = known_proof(link, salt, token, user_id, device_id);
	free(salt);
	return proof;
}

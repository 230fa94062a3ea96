/*
 * olm_session.c - libolm's sessions between two devices; see olm.h.
 */
#include "bot/crypto/olm.h"

#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/crypto/olm_util.h"

static OlmSession *session_new(void)
{
	return olm_session(x_calloc(1, olm_session_size()));
}

/* Returns the session, or frees it when libolm rejected the outside input. */
static enum err session_out(
        struct OlmSession **out, OlmSession *session, size_t result, enum err err)
{
	*out = session;
	if (result == olm_error()) {
		ol_session_free(session);
		*out = NULL;
		return err;
	}
	return OK;
}

enum err ol_session_outbound(struct OlmSession **out, struct OlmAccount *account,
        const char *their_curve25519, const char *one_time_key)
{
	OlmSession *session;
	size_t len, result;
	void *random;

	*out = NULL;
	if (!olm_util_is_key(their_curve25519) || !olm_util_is_key(one_time_key))
		return ERR_INVALID;
	session = session_new();
	len = olm_create_outbound_session_random_length(session);
	random = olm_util_random(len);
	result = olm_create_outbound_session(session, account, their_curve25519,
	        strlen(their_curve25519), one_time_key, strlen(one_time_key), random, len);
	x_wipe_free(random, len);
	return session_out(out, session, result, ERR_INVALID);
}

enum err ol_session_inbound(struct OlmSession **out, struct OlmAccount *account,
        const char *their_curve25519, const char *message)
{
	OlmSession *session;
	size_t len, result;
	void *copy;

	*out = NULL;
	if (!olm_util_is_key(their_curve25519) || strlen(message) > OL_MESSAGE_MAX)
		return ERR_INVALID;
	session = session_new();
	copy = olm_util_copy(message, &len);
	result = olm_create_inbound_session_from(
	        session, account, their_curve25519, strlen(their_curve25519), copy, len);
	free(copy);
	return session_out(out, session, result, ERR_INVALID);
}

void ol_session_used_key(struct OlmAccount *account, struct OlmSession *session)
{
	/* fails when the session was made with the fallback key, which is kept */
	(void)(olm_remove_one_time_keys(account, session) == olm_error());
}

enum err ol_session_load(
        struct OlmSession **out, const struct ol_pickle_key *key, const char *pickle)
{
	OlmSession *session = session_new();
	size_t len;
	void *copy = olm_util_copy(pickle, &len);
	size_t result = olm_unpickle_session(session, key->data, sizeof(key->data), copy, len);

	x_wipe_free(copy, len);
	return session_out(out, session, result, ERR_CORRUPT);
}

char *ol_session_save(struct OlmSession *session, const struct ol_pickle_key *key)
{
	size_t len = olm_pickle_session_length(session);
	char *pickle = x_calloc(1, len + 1);

	olm_util_must(olm_pickle_session(session, key->data, sizeof(key->data), pickle, len),
	        "pickle session");
	return pickle;
}

void ol_session_free(struct OlmSession *session)
{
	if (session) {
		olm_clear_session(session);
		free(session);
	}
}

char *ol_session_id(struct OlmSession *session)
{
	size_t len = olm_session_id_length(session);
	char *id = x_calloc(1, len + 1);

	olm_util_must(olm_session_id(session, id, len), "session id");
	return id;
}

bool ol_session_matches(
        struct OlmSession *session, const char *their_curve25519, const char *message)
{
	size_t len, result;
	void *copy = olm_util_copy(message, &len);

	result = olm_matches_inbound_session_from(
	        session, their_curve25519, strlen(their_curve25519), copy, len);
	free(copy);
	return result == 1;
}

char *ol_session_encrypt(struct OlmSession *session, const char *plaintext, int *type)
{
	size_t random_len = olm_encrypt_random_length(session);
	void *random = olm_util_random(random_len);
	size_t len = olm_encrypt_message_length(session, strlen(plaintext));
	char *message = x_calloc(1, len + 1);

	*type = (int)olm_util_must(olm_encrypt_message_type(session), "message type");
	olm_util_must(olm_encrypt(session, plaintext, strlen(plaintext), random, random_len,
	                      message, len),
	        "encrypt");
	x_wipe_free(random, random_len);
	return message;
}

enum err ol_session_decrypt(
        struct OlmSession *session, int type, const char *message, char **plaintext)
{
	size_t len, max, got;
	char *text;
	void *copy;

	*plaintext = NULL;
	if ((type != 0 && type != 1) || strlen(message) > OL_MESSAGE_MAX)
		return ERR_INVALID;
	copy = olm_util_copy(message, &len);
	max = olm_decrypt_max_plaintext_length(session, (size_t)type, copy, len);
	free(copy);
	if (max == olm_error())
		return ERR_INVALID;
	text = x_calloc(1, max + 1);
	copy = olm_util_copy(message, &len);
	got = olm_decrypt(session, (size_t)type, copy, len, text, max);
	free(copy);
	if (got == olm_error() || got > max) {
		x_wipe_free(text, max);
		return ERR_INVALID;
	}
	if (!olm_util_is_text(text, got))
		return ERR_INVALID;
	*plaintext = text;
	return OK;
}

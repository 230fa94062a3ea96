/*
 * olm_group.c - libolm's Megolm sessions; see olm.h.
 */
#include "bot/crypto/olm.h"

#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/crypto/olm_util.h"

#define SESSION_KEY_MAX 1024 /* characters; real keys have about 306 */

static OlmOutboundGroupSession *outbound_new(void)
{
	return olm_outbound_group_session(x_calloc(1, olm_outbound_group_session_size()));
}

struct OlmOutboundGroupSession *ol_outbound_create(void)
{
	OlmOutboundGroupSession *session = outbound_new();
	size_t len = olm_init_outbound_group_session_random_length(session);
	void *random = olm_util_random(len);

	olm_util_must(olm_init_outbound_group_session(session, random, len), "create session");
	x_wipe_free(random, len);
	return session;
}

enum err ol_outbound_load(
        struct OlmOutboundGroupSession **out, const struct ol_pickle_key *key, const char *pickle)
{
	OlmOutboundGroupSession *session = outbound_new();
	size_t len;
	void *copy = olm_util_copy(pickle, &len);
	size_t result = olm_unpickle_outbound_group_session(
	        session, key->data, sizeof(key->data), copy, len);

	x_wipe_free(copy, len);
	*out = session;
	if (result == olm_error()) {
		ol_outbound_free(session);
		*out = NULL;
		return ERR_CORRUPT;
	}
	return OK;
}

char *ol_outbound_save(struct OlmOutboundGroupSession *session, const struct ol_pickle_key *key)
{
	size_t len = olm_pickle_outbound_group_session_length(session);
	char *pickle = x_calloc(1, len + 1);

	olm_util_must(olm_pickle_outbound_group_session(
	                      session, key->data, sizeof(key->data), pickle, len),
	        "pickle outbound session");
	return pickle;
}

void ol_outbound_free(struct OlmOutboundGroupSession *session)
{
	if (session) {
		olm_clear_outbound_group_session(session);
		free(session);
	}
}

char *ol_outbound_id(struct OlmOutboundGroupSession *session)
{
	size_t len = olm_outbound_group_session_id_length(session);
	char *id = x_calloc(1, len + 1);

	olm_util_must(olm_outbound_group_session_id(session, (uint8_t *)id, len), "session id");
	return id;
}

char *ol_outbound_key(struct OlmOutboundGroupSession *session)
{
	size_t len = olm_outbound_group_session_key_length(session);
	char *key = x_calloc(1, len + 1);

	olm_util_must(olm_outbound_group_session_key(session, (uint8_t *)key, len), "session key");
	return key;
}

char *ol_outbound_encrypt(struct OlmOutboundGroupSession *session, const char *plaintext)
{
	size_t len = olm_group_encrypt_message_length(session, strlen(plaintext));
	char *message = x_calloc(1, len + 1);

	olm_util_must(olm_group_encrypt(session, (const uint8_t *)plaintext, strlen(plaintext),
	                      (uint8_t *)message, len),
	        "encrypt");
	return message;
}

static OlmInboundGroupSession *inbound_new(void)
{
	return olm_inbound_group_session(x_calloc(1, olm_inbound_group_session_size()));
}

/* Returns the session, or frees it when libolm rejected the outside input. */
static enum err inbound_out(struct OlmInboundGroupSession **out, OlmInboundGroupSession *session,
        size_t result, enum err err)
{
	*out = session;
	if (result == olm_error()) {
		ol_inbound_free(session);
		*out = NULL;
		return err;
	}
	return OK;
}

enum err ol_inbound_create(struct OlmInboundGroupSession **out, const char *session_key)
{
	OlmInboundGroupSession *session = inbound_new();
	size_t len, result = olm_error();

	if (strlen(session_key) <= SESSION_KEY_MAX) {
		void *copy = olm_util_copy(session_key, &len);

		result = olm_init_inbound_group_session(session, copy, len);
		x_wipe_free(copy, len);
	}
	return inbound_out(out, session, result, ERR_INVALID);
}

enum err ol_inbound_import(struct OlmInboundGroupSession **out, const char *exported_key)
{
	OlmInboundGroupSession *session = inbound_new();
	size_t len, result = olm_error();

	if (strlen(exported_key) <= SESSION_KEY_MAX) {
		void *copy = olm_util_copy(exported_key, &len);

		result = olm_import_inbound_group_session(session, copy, len);
		x_wipe_free(copy, len);
	}
	return inbound_out(out, session, result, ERR_INVALID);
}

char *ol_inbound_export(struct OlmInboundGroupSession *session, uint32_t index)
{
	size_t len = olm_export_inbound_group_session_length(session);
	char *key = x_calloc(1, len + 1);

	if (olm_export_inbound_group_session(session, (uint8_t *)key, len, index) == olm_error()) {
		x_wipe_free(key, len);
		return NULL;
	}
	return key;
}

enum err ol_inbound_load(
        struct OlmInboundGroupSession **out, const struct ol_pickle_key *key, const char *pickle)
{
	OlmInboundGroupSession *session = inbound_new();
	size_t len;
	void *copy = olm_util_copy(pickle, &len);
	size_t result = olm_unpickle_inbound_group_session(
	        session, key->data, sizeof(key->data), copy, len);

	x_wipe_free(copy, len);
	return inbound_out(out, session, result, ERR_CORRUPT);
}

char *ol_inbound_save(struct OlmInboundGroupSession *session, const struct ol_pickle_key *key)
{
	size_t len = olm_pickle_inbound_group_session_length(session);
	char *pickle = x_calloc(1, len + 1);

	olm_util_must(olm_pickle_inbound_group_session(
	                      session, key->data, sizeof(key->data), pickle, len),
	        "pickle inbound session");
	return pickle;
}

void ol_inbound_free(struct OlmInboundGroupSession *session)
{
	if (session) {
		olm_clear_inbound_group_session(session);
		free(session);
	}
}

char *ol_inbound_id(struct OlmInboundGroupSession *session)
{
	size_t len = olm_inbound_group_session_id_length(session);
	char *id = x_calloc(1, len + 1);

	olm_util_must(olm_inbound_group_session_id(session, (uint8_t *)id, len), "session id");
	return id;
}

uint32_t ol_inbound_first_index(struct OlmInboundGroupSession *session)
{
	return olm_inbound_group_session_first_known_index(session);
}

enum err ol_inbound_decrypt(struct OlmInboundGroupSession *session, const char *message,
        char **plaintext, uint32_t *index)
{
	size_t len, max, got;
	uint8_t *text;
	void *copy;

	*plaintext = NULL;
	if (strlen(message) > OL_MESSAGE_MAX)
		return ERR_INVALID;
	copy = olm_util_copy(message, &len);
	max = olm_group_decrypt_max_plaintext_length(session, copy, len);
	free(copy);
	if (max == olm_error())
		return ERR_INVALID;
	text = x_calloc(1, max + 1);
	copy = olm_util_copy(message, &len);
	got = olm_group_decrypt(session, copy, len, text, max, index);
	free(copy);
	if (got == olm_error() || got > max) {
		x_wipe_free(text, max);
		return olm_inbound_group_session_last_error_code(session) ==
		                       OLM_UNKNOWN_MESSAGE_INDEX
		               ? ERR_NOT_FOUND
		               : ERR_INVALID;
	}
	if (!olm_util_is_text((char *)text, got))
		return ERR_INVALID;
	*plaintext = (char *)text;
	return OK;
}

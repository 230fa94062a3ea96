/*
 * olm.h - our interface to libolm, which only the olm_*.c in this folder call.
 *
 * Functions that can fail because of outside input return an enum err: ERR_CORRUPT for a pickle
 * that cannot be opened (damaged, or another key), ERR_INVALID for an invalid message or key,
 * ERR_NOT_FOUND for a message index before the first one that the session knows. A failure that
 * only a programming error can cause ends the process. Inputs are copied before libolm gets them,
 * as it overwrites some. All memory that held keys is wiped.
 *
 * Keys, ids, signatures and messages are unpadded base64 as Matrix writes them; strings that are
 * returned are owned by the caller. Objects are freed by ol_*_free(), which takes NULL.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "bot/base/err.h"

#define OL_KEY_SIZE 44 /* text of a Curve25519 or Ed25519 public key, with its NUL */
#define OL_SEED_LEN 32 /* bytes of a signing key's seed */
#define OL_MESSAGE_MAX (256 * 1024)

struct OlmAccount;
struct OlmSession;
struct OlmInboundGroupSession;
struct OlmOutboundGroupSession;
struct OlmPkSigning;
struct OlmSAS;

/* The key that pickles are encrypted with. */
struct ol_pickle_key {
	uint8_t data[32];
};

/* True when the signature of text by the Ed25519 public key is valid. */
bool ol_verify(const char *public_key, const char *text, const char *signature);

/* account: this device's identity and one-time keys */
struct OlmAccount *ol_account_create(void);
enum err ol_account_load(
        struct OlmAccount **out, const struct ol_pickle_key *key, const char *pickle);
char *ol_account_save(struct OlmAccount *account, const struct ol_pickle_key *key);
void ol_account_free(struct OlmAccount *account);
void ol_account_keys(
        struct OlmAccount *account, char curve25519[OL_KEY_SIZE], char ed25519[OL_KEY_SIZE]);
char *ol_account_sign(struct OlmAccount *account, const char *text);
/* The unpublished keys, {id: key}; a new reference. */
json_t *ol_account_one_time_keys(struct OlmAccount *account);
json_t *ol_account_fallback_key(struct OlmAccount *account);
void ol_account_make_one_time_keys(struct OlmAccount *account, size_t count);
void ol_account_make_fallback_key(struct OlmAccount *account);
void ol_account_forget_old_fallback_key(struct OlmAccount *account);
void ol_account_published(struct OlmAccount *account);

/* session: the double ratchet with one device */
enum err ol_session_outbound(struct OlmSession **out, struct OlmAccount *account,
        const char *their_curve25519, const char *one_time_key);
/* Creates a session from a pre-key message. Once that was decrypted, ol_session_used_key() removes
 * the one-time key. */
enum err ol_session_inbound(struct OlmSession **out, struct OlmAccount *account,
        const char *their_curve25519, const char *message);
void ol_session_used_key(struct OlmAccount *account, struct OlmSession *session);
enum err ol_session_load(
        struct OlmSession **out, const struct ol_pickle_key *key, const char *pickle);
char *ol_session_save(struct OlmSession *session, const struct ol_pickle_key *key);
void ol_session_free(struct OlmSession *session);
char *ol_session_id(struct OlmSession *session);
/* Whether a pre-key message belongs to this session. */
bool ol_session_matches(
        struct OlmSession *session, const char *their_curve25519, const char *message);
char *ol_session_encrypt(struct OlmSession *session, const char *plaintext, int *type);
/* *plaintext is NUL-terminated and contains no other NUL, but is not necessarily UTF-8. */
enum err ol_session_decrypt(
        struct OlmSession *session, int type, const char *message, char **plaintext);

/* outbound Megolm */
struct OlmOutboundGroupSession *ol_outbound_create(void);
enum err ol_outbound_load(
        struct OlmOutboundGroupSession **out, const struct ol_pickle_key *key, const char *pickle);
char *ol_outbound_save(struct OlmOutboundGroupSession *session, const struct ol_pickle_key *key);
void ol_outbound_free(struct OlmOutboundGroupSession *session);
char *ol_outbound_id(struct OlmOutboundGroupSession *session);
char *ol_outbound_key(struct OlmOutboundGroupSession *session); /* secret: x_wipe_free_str() */
char *ol_outbound_encrypt(struct OlmOutboundGroupSession *session, const char *plaintext);

/* inbound Megolm */
enum err ol_inbound_create(struct OlmInboundGroupSession **out, const char *session_key);
enum err ol_inbound_import(struct OlmInboundGroupSession **out, const char *exported_key);
/* Exports the session from the given message index on; NULL when it begins later. Secret. */
char *ol_inbound_export(struct OlmInboundGroupSession *session, uint32_t index);
enum err ol_inbound_load(
        struct OlmInboundGroupSession **out, const struct ol_pickle_key *key, const char *pickle);
char *ol_inbound_save(struct OlmInboundGroupSession *session, const struct ol_pickle_key *key);
void ol_inbound_free(struct OlmInboundGroupSession *session);
char *ol_inbound_id(struct OlmInboundGroupSession *session);
uint32_t ol_inbound_first_index(struct OlmInboundGroupSession *session);
enum err ol_inbound_decrypt(struct OlmInboundGroupSession *session, const char *message,
        char **plaintext, uint32_t *index);

/* cross-signing keys */
struct OlmPkSigning *ol_signing_create(
        const uint8_t seed[OL_SEED_LEN], char public_key[OL_KEY_SIZE]);
void ol_signing_free(struct OlmPkSigning *signing);
char *ol_signing_sign(struct OlmPkSigning *signing, const char *text);

/* short authentication strings */
struct OlmSAS *ol_sas_create(char public_key[OL_KEY_SIZE]);
void ol_sas_free(struct OlmSAS *sas);
enum err ol_sas_set_their_key(struct OlmSAS *sas, const char *their_key);
void ol_sas_bytes(struct OlmSAS *sas, const char *info, uint8_t *out, size_t len);
/* hkdf-hmac-sha256.v2; old: hkdf-hmac-sha256, which differs by libolm's incorrect base64. */
char *ol_sas_mac(struct OlmSAS *sas, bool old, const char *text, const char *info);

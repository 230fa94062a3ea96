/*
 * room_in.h - inbound room sessions: receiving keys and requesting them. Inside bot/crypto/ only.
 *
 * Kinds in the store:
 *   inbound  room id | session id | user id (who sent the key; anybody who has it can) → pickle,
 *            user, curve25519, ed25519, forwarded, at_ms (received), used_ms (last decrypted with,
 *            0 = never), floor (lower indexes are no longer decrypted, see sweep.h)
 *   index    session id | user id | message index → the event it was used by
 *   ask      room id | session id → the key was requested: request, user, at_ms
 */
#pragma once

#include "bot/crypto/machine.h"

/* The device that sent us something in an Olm message. */
struct olm_peer {
	const char *user_id;
	const char *curve25519; /* proven by the session */
	const char *ed25519;    /* claimed in the payload */
};

/* Key of the notice that the user's client withholds room keys from this device; owned by the
 * caller. The notice is removed when a key arrives. */
char *room_in_withheld(const char *user_id);

/* *taken: the key was new and is stored. An invalid key is ignored and is no error. */
enum err room_in_take_key(struct crypto *crypto, int64_t now_ms, const struct olm_peer *peer,
        const json_t *content, bool *taken);
enum err room_in_take_forwarded(struct crypto *crypto, int64_t now_ms, const struct olm_peer *peer,
        const json_t *content, bool *taken);

/*
 * room_in.h - inbound room sessions: taking keys, asking for them. Inside bot/crypto/ only.
 *
 * Kinds in the store:
 *   inbound  room id | session id | user id (who gave it; anybody who has it can) → pickle, user,
 *            curve25519, ed25519, forwarded, at_ms (given), used_ms (read with, 0 = not yet), floor
 *            (indexes below are not read any more, see sweep.h)
 *   index    session id | user id | message index → the event it was used by
 *   ask      room id | session id → the key was asked for: request, user, at_ms
 */
#pragma once

#include "bot/crypto/machine.h"

/* Who gave us something by Olm. */
struct olm_peer {
	const char *user_id;
	const char *curve25519; /* proven by the session */
	const char *ed25519;    /* claimed in the payload */
};

/* Names the notice that the user's client gives us no keys; owned by the caller. A key ends it. */
char *room_in_withheld(const char *user_id);

/* *taken: a key that was not here before. What is no good costs only itself. */
enum err room_in_take_key(struct crypto *crypto, int64_t now_ms, const struct olm_peer *peer,
        const json_t *content, bool *taken);
enum err room_in_take_forwarded(struct crypto *crypto, int64_t now_ms, const struct olm_peer *peer,
        const json_t *content, bool *taken);

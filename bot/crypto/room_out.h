/*
 * room_out.h - outbound room sessions: making, rotating, encrypting, and who gets them.
 * Inside bot/crypto/ only.
 *
 * Kinds in the store:
 *   outbound  room id → pickle, id, created_ms, messages, run
 *   shared    room id → session, epoch, users (hash), again_ms, devices {user: {device: curve} },
 *             withheld {user: {device: code} }
 */
#pragma once

#include "bot/crypto/machine.h"

/* Ends of the requests that carry a session's key. */
enum err room_out_undelivered(struct crypto *crypto, int64_t now_ms, const json_t *context);
/* The device lost what it had of us: it gets the present session again with the next message. */
enum err room_out_forget_device(struct crypto *crypto, const char *user_id, const char *device_id);

/* ---- room_share.c ---- */

/* One look at who must have a room's session. */
struct share {
	struct crypto *crypto;
	const struct crypto_room *room;
	int64_t now_ms;
	json_t *shared;   /* the row, changed in place */
	json_t *send;     /* {user: {device: its keys}} that lack the session and can get it */
	json_t *claim;    /* {user: {device: true}}: no Olm session yet */
	json_t *refuse;   /* {user: {device: code}}: to be told why not */
	bool stale;       /* somebody has the session who must not read on */
	int64_t again_ms; /* when a device that was put off may be tried again, 0 = none */
};

enum err share_look(struct share *share);
/* Sends the session's key and refusals; the row is changed, not stored. */
enum err share_send(struct share *share, const char *session_id, const char *session_key);
void share_finish(struct share *share);

/*
 * room_out.h - outbound room sessions: creating, rotating and sharing them, and encrypting. Inside
 * bot/crypto/ only.
 *
 * A message waits until this run has processed a /sync answer, every member's device list is known
 * and every device has the key, but only for a limited time. After that it is sent with the key for
 * the known devices, and room_late.c sends the key to the others as soon as they are known.
 *
 * To members whose lists did not change since they got the key, a message costs one pass over their
 * ids and as many reads of the store as with few members. After a change it costs a read for each
 * member.
 *
 * Kinds in the store:
 *   outbound  room id → pickle, id, created_ms, messages, run
 *   shared    room id → session, epoch, users (hash), again_ms, devices {user: {device: curve} },
 *             withheld {user: {device: code} }, wait {run, since_ms}
 *   late      room id → session, pickles [the session at different indexes], users {user: index
 *             into pickles}
 */
#pragma once

#include "bot/crypto/machine.h"

/* Call when a request that carries a session's key was refused. */
enum err room_out_undelivered(struct crypto *crypto, int64_t now_ms, const json_t *context);
/* Call when a device lost our keys: it gets the current session again with the next message. */
enum err room_out_forget_device(struct crypto *crypto, const char *user_id, const char *device_id);

/* ---- room_share.c ---- */

/* One check of which devices must have a room's session. */
struct share {
	struct crypto *crypto;
	const struct crypto_room *room;
	int64_t now_ms;
	json_t *shared;   /* the row, changed in place */
	json_t *send;     /* {user: {device: its keys}}: lack the session and can get it */
	json_t *claim;    /* {user: {device: true}}: no Olm session yet */
	json_t *refuse;   /* {user: {device: code}}: get m.room_key.withheld */
	json_t *late;     /* the room's row of kind `late`, or NULL */
	bool stale;       /* a device has the session that must not read any further */
	int64_t again_ms; /* when the first postponed device may be tried again, 0 = none */
};

enum err share_look(struct share *share);
/* Claims one-time keys of the devices without an Olm session, unless a claim is in flight. */
enum err share_claim(struct share *share);
/* Queues the key of the session in that row, and the refusals; the row `shared` is changed but not
 * stored. */
enum err share_send(struct share *share, const json_t *session);
void share_finish(struct share *share);

/* ---- room_late.c ---- */

/* Call before a message is sent to a room whose members' devices are not all known. session: the
 * room's row. */
enum err late_note(struct crypto *crypto, const struct crypto_room *room, const json_t *session);
/* The room's row of kind `late`, without the users who left the room; NULL when none remains. */
enum err late_of_room(struct crypto *crypto, const struct crypto_room *room, const json_t *session,
        json_t **late);
/* Sends the keys to the late users whose devices are known by now. */
enum err late_give(struct crypto *crypto, int64_t now_ms);
/* The session at the first index that the user may read: a pickle borrowed from the row, or
 * NULL. */
const char *late_pickle(const json_t *late, const char *user_id);

/* ---- room_out.c ---- */

/* Whether a /sync answer was processed since the machine was opened. */
enum err caught_up_get(struct crypto *crypto, bool *caught_up);
enum err caught_up_set(struct crypto *crypto);

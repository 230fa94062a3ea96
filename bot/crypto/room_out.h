/*
 * room_out.h - outbound room sessions: making, rotating, encrypting, and who gets them.
 * Inside bot/crypto/ only.
 *
 * A message waits until this run has taken in a /sync answer, every member's list of devices is
 * known and everybody has the key; but not for ever. When that takes too long it is sent to those
 * who are known, and room_late.c gives the others the key as soon as they are known.
 *
 * Kinds in the store:
 *   outbound  room id → pickle, id, created_ms, messages, run
 *   shared    room id → session, epoch, users (hash), again_ms, devices {user: {device: curve} },
 *             withheld {user: {device: code} }, wait {run, since_ms}
 *   late      room id → session, pickles [of it, as it was then], users {user: which pickle}
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
	json_t *late;     /* the room's row of that kind, or NULL */
	bool stale;       /* somebody has the session who must not read on */
	int64_t again_ms; /* when a device that was put off may be tried again, 0 = none */
};

enum err share_look(struct share *share);
/* Asks for one-time keys of those without an Olm session, unless such an answer is awaited. */
enum err share_claim(struct share *share);
/* Sends the key of the session in that row, and refusals; the row `shared` is changed, not
 * stored. */
enum err share_send(struct share *share, const json_t *session);
void share_finish(struct share *share);

/* ---- room_late.c ---- */

/* A message is about to leave for a room whose devices are not all known. session: the room's
 * row. */
enum err late_note(struct crypto *crypto, const struct crypto_room *room, const json_t *session);
/* The room's late users as a row, NULL when there are none; without those who left the room. */
enum err late_of_room(struct crypto *crypto, const struct crypto_room *room, const json_t *session,
        json_t **late);
/* Gives the keys to whoever became known. */
enum err late_give(struct crypto *crypto, int64_t now_ms);
/* What the user may read from on: a pickle in the row, borrowed, or NULL. */
const char *late_pickle(const json_t *late, const char *user_id);

/* ---- room_out.c ---- */

/* Whether a /sync answer was taken in since the machine was opened. */
enum err caught_up_get(struct crypto *crypto, bool *caught_up);
enum err caught_up_set(struct crypto *crypto);

/*
 * rooms.h - the configured rooms: address to room id, membership, encryption, upgrades.
 *
 * Keeps for each configured room the id it resolves to, or why it has none; resolves again when an
 * alias may have moved (at start, at reload, every hour, after 403/404 in a room, on
 * m.room.canonical_alias or m.room.tombstone), joins when needed, and follows tombstones. A room
 * that cannot be reached is retried with backoff and never blocks another.
 *
 * A room that was ready when the stored position of /sync was reached is ready again as soon as its
 * alias still leads there and the first answer from that position does not say otherwise, which
 * saves three requests before the first message after a start. It is checked as a whole later.
 *
 * Lists are walked: what is done for a room or for an event of /sync costs as many comparisons as
 * rooms are configured.
 *
 * A room is ready only when it is known whether it is encrypted. The successor of an encrypted
 * room, and a room to which its alias moved, must be encrypted too; otherwise it does not become
 * ready.
 */
#pragma once

#include "bot/config/config.h"
#include "bot/matrix/client.h"

struct rooms;

struct room {
	const char *name; /* of the config */
	const char *address;
	const char *room_id; /* NULL until resolved */
	bool looked;         /* the first check has ended, successfully or not */
	bool ready;          /* resolved and joined */
	bool encrypted;      /* m.room.encryption was seen at any time */
	bool denied;         /* the homeserver now says that it is not encrypted */
	char problem[256];   /* why it is not ready, "" otherwise */
	char mute[128];      /* why the bot may not write there though it is ready, "" otherwise */
};

struct rooms_events {
	/* A room became ready or encrypted, changed its id, or was lost. The pointer is valid
	 * during the call. */
	void (*on_room)(const struct room *room, void *arg);
	/* A room is encrypted, which must be stored for ever (storage/state.h). content: of
	 * m.room.encryption, NULL when it is no object; the room is encrypted all the same. */
	void (*on_encrypted)(const char *room_id, const json_t *content, void *arg);
	void *arg;
};

struct rooms *rooms_create(
        uv_loop_t *loop, struct mx *mx, const char *user_id, const struct rooms_events *events);
/* Takes the rooms of a (new) config, which is copied from, and checks all of them. Call
 * rooms_remember_encrypted() before. Not allowed from within on_room(). */
void rooms_configure(struct rooms *rooms, const struct config *config);
/* Marks a room id as encrypted, from storage: it stays so whatever the server says. address: the
 * alias that led there, or NULL; from now on it may lead to encrypted rooms only. */
void rooms_remember_encrypted(struct rooms *rooms, const char *room_id, const char *address);
/* The rooms that were ready at the stored position: an object of room ids by address, as
 * rooms_settled() returned it. Call before rooms_configure(). */
void rooms_remember_settled(struct rooms *rooms, const json_t *settled);
/* The rooms that are ready or are still as they were remembered. A new reference. */
json_t *rooms_settled(const struct rooms *rooms);
/* Handles a /sync answer: tombstones, aliases, encryption, own membership, invitations (accepted
 * when the inviter is configured, else ignored). whole: it has all that happened since the stored
 * position. */
void rooms_take_sync(struct rooms *rooms, const json_t *sync, bool whole);
/* Checks one room again now, because a send was refused. */
void rooms_recheck(struct rooms *rooms, const char *name);
/* NULL when there is no such name. Valid until the next event of the loop. */
const struct room *rooms_get(const struct rooms *rooms, const char *name);
size_t rooms_len(const struct rooms *rooms);
const struct room *rooms_at(const struct rooms *rooms, size_t index);
void rooms_close(struct rooms *rooms, void (*closed)(void *arg), void *arg);

/* The functions below need no struct rooms. */
bool rooms_is_id(const char *text);
/* Path of the request that joins a room; via: servers to join by, ends with NULL or after via_len.
 * Owned by the caller. */
char *rooms_join_path(const char *room_id, char *const via[], size_t via_len);
/* The server's part of an id, or NULL; points into it. */
const char *rooms_server_of(const char *id);

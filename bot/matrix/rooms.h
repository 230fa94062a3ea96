/*
 * rooms.h - the configured rooms: address to room id, membership, encryption, upgrades.
 *
 * Keeps for each configured room what it resolves to and why not, resolves again when an alias
 * may have moved (at start, at reload, every hour, after 403/404 in a room, on
 * m.room.canonical_alias or m.room.tombstone), joins when needed, and follows tombstones. A room
 * that cannot be reached is tried again with backoff and never blocks another.
 *
 * A room is ready only when it is known whether it is encrypted. What follows an encrypted room
 * (its successor, or where its alias moved) must be encrypted too, or else is not ready.
 */
#pragma once

#include "bot/config/config.h"
#include "bot/matrix/client.h"

struct rooms;

struct room {
	const char *name; /* of the config */
	const char *address;
	const char *room_id; /* NULL until resolved */
	bool looked;         /* the first look at it has ended, well or not */
	bool ready;          /* resolved and joined */
	bool encrypted;      /* m.room.encryption was ever seen */
	bool denied;         /* the homeserver says now that it is not */
	char problem[256];   /* why it is not ready, "" otherwise */
};

struct rooms_events {
	/* A room became ready or encrypted, changed its id, or was lost. The pointer is good for
	 * the call. */
	void (*on_room)(const struct room *room, void *arg);
	/* Something to remember for ever about a room id (storage/state.h). content: NULL when it
	 * is no object; encrypted all the same. */
	void (*on_encrypted)(const char *room_id, const json_t *content, void *arg);
	void *arg;
};

struct rooms *rooms_create(
        uv_loop_t *loop, struct mx *mx, const char *user_id, const struct rooms_events *events);
/* Takes the rooms of a (new) config and looks at all of them anew; what is remembered is to be
 * told before. The config is copied from. Not from within on_room(). */
void rooms_configure(struct rooms *rooms, const struct config *config);
/* A room id known from storage to be encrypted: stays so whatever the server says. address: what
 * led there, or NULL; it must lead to an encrypted room for ever. */
void rooms_remember_encrypted(struct rooms *rooms, const char *room_id, const char *address);
/* Looks at a /sync answer: tombstones, aliases, encryption, own membership, invites (joined when
 * the inviter is configured, else left alone). */
void rooms_take_sync(struct rooms *rooms, const json_t *sync);
/* Asks for a fresh look at one room now (a send was refused). */
void rooms_recheck(struct rooms *rooms, const char *name);
/* NULL when there is no such name. Valid until the next event of the loop. */
const struct room *rooms_get(const struct rooms *rooms, const char *name);
size_t rooms_len(const struct rooms *rooms);
const struct room *rooms_at(const struct rooms *rooms, size_t index);
void rooms_close(struct rooms *rooms, void (*closed)(void *arg), void *arg);

/* Of use without any struct rooms. */
bool rooms_is_id(const char *text);
/* Path of the request that joins a room; via: servers to ask, ends with NULL or after via_len.
 * Owned by the caller. */
char *rooms_join_path(const char *room_id, char *const via[], size_t via_len);
/* The server's part of an id, or NULL; points into it. */
const char *rooms_server_of(const char *id);

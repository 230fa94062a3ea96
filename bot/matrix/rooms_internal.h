/*
 * rooms_internal.h - what the three parts of rooms.h share: rooms.c (the list, time, closing),
 * room_follow.c (the steps of one room), room_sync.c (what /sync says, invitations).
 */
#pragma once

#include <sys/queue.h>
#include "bot/matrix/rooms.h"

#define ROOM_VIA_MAX 3
#define ROOM_HOPS_MAX 10 /* upgrades followed in a chain */

/* What is remembered of a room id, whatever the server says. */
struct room_known {
	TAILQ_ENTRY(room_known) link; /* rooms::known */
	char *room_id;
	char *address; /* of an encrypted room, as remembered; or NULL */
	bool encrypted;
	bool told;   /* on_encrypted() was called */
	bool denied; /* the homeserver says that it is not encrypted */
};

/* One configured room. */
struct room_entry {
	TAILQ_ENTRY(room_entry) link; /* rooms::entries, unless it is removed */
	struct rooms *rooms;
	struct room room; /* its strings are the following three */
	char *name, *address, *room_id;
	struct mx_call *call;           /* of the step under way, or NULL */
	char *candidate;                /* room id that is being looked at */
	char *via[ROOM_VIA_MAX];        /* servers to join it by; NULL = no more */
	char *trail[ROOM_HOPS_MAX + 1]; /* rooms that led to the candidate, itself included */
	unsigned hops;                  /* of these upgrades */
	bool joined;                    /* member of room_id, as far as is known */
	bool must_encrypt;              /* one of the rooms it was is encrypted */
	bool again;                     /* one more look was asked for during this one */
	bool removed;                   /* freed when the call has ended */
	unsigned tries;                 /* failures in a row */
	int64_t due_ms;   /* monotonic; when to look again, INT64_MAX = not by itself */
	int64_t asked_ms; /* monotonic; of the last look that was asked for, 0 = none */
};

/* An invitation that is being accepted. */
struct room_invite {
	TAILQ_ENTRY(room_invite) link; /* rooms::invites */
	struct rooms *rooms;
	char *room_id, *via;
	struct mx_call *call;
	unsigned tries;
	int64_t due_ms;
};

struct rooms {
	struct mx *mx;
	char *user_id;
	struct rooms_events events;
	uv_timer_t timer;
	TAILQ_HEAD(, room_entry) entries;
	TAILQ_HEAD(, room_known) known;
	TAILQ_HEAD(, room_invite) invites;
	size_t entries_len, invites_len;
	char **invite_from; /* ends with NULL */
	unsigned calls;     /* under way */
	bool closing, timer_closed;
	void (*closed)(void *arg);
	void *closed_arg;
};

/* rooms.c */
struct room_known *rooms_known(struct rooms *rooms, const char *room_id); /* made when missing */
void rooms_note_encrypted(struct rooms *rooms, const char *room_id, const json_t *content);
/* Sets what is due in how many milliseconds, and the timer. */
void rooms_due_in(struct rooms *rooms, int64_t *due_ms, int64_t ms);
/* First thing at the end of each call (entry: NULL for an invitation's). True: there is nothing
 * more to do, since everything closes or the entry was removed, and may be freed by now. */
bool rooms_call_ended(struct rooms *rooms, struct room_entry *entry);

/* room_follow.c */
void room_follow(struct room_entry *entry); /* looks at the room now */
/* At once, unless that was asked for a moment ago: for what others can bring about. */
void room_follow_soon(struct room_entry *entry);
/* Whether the room of that id led to where the entry is now, or is it. */
bool room_is_on_trail(const struct room_entry *entry, const char *room_id);
void room_forget_trail(struct room_entry *entry);
/* Not ready until it was looked at again. */
void room_lose(struct room_entry *entry, const char *problem);

/* room_sync.c */
void room_invite_start(struct room_invite *invite);
void room_invite_destroy(struct room_invite *invite);

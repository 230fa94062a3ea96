/*
 * rooms_internal.h - what the three parts of rooms.h share: rooms.c (the list, timers, closing),
 * room_follow.c (the steps for one room), room_sync.c (/sync answers, invitations).
 */
#pragma once

#include <sys/queue.h>
#include "bot/matrix/rooms.h"

#define ROOM_VIA_MAX 3
#define ROOM_HOPS_MAX 10 /* longest chain of upgrades that is followed */

/* What is known of a room id, whatever the server says now. */
struct room_known {
	TAILQ_ENTRY(room_known) link; /* rooms::known */
	char *room_id;
	char *address; /* of an encrypted room, as remembered; or NULL */
	bool encrypted;
	bool told;   /* on_encrypted() was called */
	bool denied; /* the homeserver says that it is not encrypted */
};

/* How an entry came to its room id, until it has been checked. */
enum room_recall {
	RECALL_NONE,
	RECALL_STORED, /* from storage; whether the address leads there is asked now */
	RECALL_AGREED, /* and it does; the first /sync answer decides */
};

/* One configured room. */
struct room_entry {
	TAILQ_ENTRY(room_entry) link; /* rooms::entries, unless it is removed */
	struct rooms *rooms;
	struct room room; /* its strings point to the three below */
	char *name, *address, *room_id;
	struct mx_call *call;           /* of the current step, or NULL */
	json_t *levels;                 /* of power, while the room's create event is asked for */
	char *candidate;                /* room id that is being checked */
	char *via[ROOM_VIA_MAX];        /* servers to join it by; NULL = no more */
	char *trail[ROOM_HOPS_MAX + 1]; /* rooms that led to the candidate, itself included */
	unsigned hops;                  /* of these upgrades */
	bool joined;                    /* member of room_id, as far as is known */
	enum room_recall recall;
	bool must_encrypt; /* an earlier room of this entry was encrypted */
	bool again;        /* another check was requested during this one */
	bool removed;      /* freed when the call has ended */
	unsigned tries;    /* failures in a row */
	int64_t due_ms;    /* monotonic; next check, INT64_MAX = none scheduled */
	int64_t after_ms;  /* the same after the current step, see room_follow.c */
	int64_t asked_ms;  /* monotonic; last requested check, 0 = none */
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
	json_t *settled;    /* see rooms_remember_settled(); NULL = nothing */
	bool caught_up;     /* a whole /sync answer was handled */
	char **invite_from; /* ends with NULL */
	unsigned calls;     /* in flight */
	bool closing, timer_closed;
	void (*closed)(void *arg);
	void *closed_arg;
};

/* rooms.c */
struct room_known *rooms_known(struct rooms *rooms, const char *room_id); /* made when missing */
void rooms_note_encrypted(struct rooms *rooms, const char *room_id, const json_t *content);
/* Sets *due_ms to ms milliseconds from now, and the timer. */
void rooms_due_in(struct rooms *rooms, int64_t *due_ms, int64_t ms);
/* Call first in each callback (entry: NULL for an invitation's). True: do nothing more, since
 * everything is closing or the entry was removed; the entry may be freed by now. */
bool rooms_call_ended(struct rooms *rooms, struct room_entry *entry);

/* room_follow.c */
void room_follow(struct room_entry *entry); /* checks the room now */
/* The same, but rate limited: for checks that other users can trigger. */
void room_follow_soon(struct room_entry *entry);
/* Whether that room is the entry's current one or led to it. */
bool room_is_on_trail(const struct room_entry *entry, const char *room_id);
void room_forget_trail(struct room_entry *entry);
/* Makes the room not ready until it has been checked again. */
void room_lose(struct room_entry *entry, const char *problem);
/* Makes a remembered room ready, once the address and /sync agree. */
void room_recall(struct room_entry *entry);

/* room_sync.c */
void room_invite_start(struct room_invite *invite);
void room_invite_destroy(struct room_invite *invite);

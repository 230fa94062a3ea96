/*
 * link_internal.h - what the parts of link.h share: link.c (creation, closing, discovery, rooms,
 * sync), link_known.c (whether the token is known), link_identity.c (whether the token's device is
 * the stored one) and link_rooms.c (what is stored of rooms).
 */
#pragma once

#include "bot/link/link.h"
#include "bot/matrix/auth.h"
#include "bot/matrix/members.h"
#include "bot/matrix/sync.h"
#include "storage/known_rooms.h"
#include "storage/state.h"

/* An answer of /sync that waits for the keys; body NULL = none. */
struct link_answer {
	json_t *body;
	char *next_batch;
	bool first, blind;
};

struct link {
	struct link_options options;
	struct config *config;
	struct link_events events;
	struct http *http;
	struct mx *mx;     /* after discovery */
	struct auth *auth; /* after discovery */
	struct vault *vault;
	struct rooms *rooms;           /* after the first token */
	struct members *members;       /* after the first token */
	json_t *joined;                /* joined users by room id, for rooms of [oncall] */
	struct sync *sync;             /* after the first token */
	struct timeline *timeline;     /* after the first token */
	uv_timer_t timer;              /* the next try of discovery, then of `identity` */
	struct identity_job *identity; /* job that failed and waits for the timer */
	struct identity_job *stored;   /* as read at the creation, NULL = it could not be read */
	struct link_answer answer;
	char *homeserver;
	char problem[256];
	unsigned failures; /* in a row, of what the timer retries */
	unsigned jobs;     /* writer jobs not done */
	char *since;       /* position where /sync starts, or NULL */
	char *settled;     /* rooms_settled() as stored last, NULL = not in this run */
	bool first;        /* the answer being handled is a first one */
	bool caught_up;    /* a /sync answer of this run was stored */
	bool told;         /* whether /sync works is known */
	bool keys_settled; /* see struct vault_events */
	bool online, closing, vault_closing;
	void (*closed)(void *arg);
	void *closed_arg;
};

/* The job that compares the identity with the stored one, and reads the modules' initial values. */
struct identity_job {
	struct link *link;
	char *user_id, *device_id;
	char *proof; /* of the token, see link_prove_token() */
	bool new_device;
	char *stored_user, *stored_device, *stored_proof, *since;
	json_t *settled; /* see rooms_settled(), or NULL */
	struct room_row *encrypted;
	size_t encrypted_len;
};

/* link.c */
void link_problem_set(struct link *link, const char *problem); /* "" = online */
void link_retry(struct link *link);                            /* on the timer, with backoff */
void link_job_ended(struct link *link);
/* Call when the identity is stored: starts or resumes rooms, sync and the others. job is
 * borrowed. */
void link_go_online(struct link *link, const struct identity_job *job);

/* link_rooms.c */
#define LINK_SETTLED "rooms.settled" /* in the table `state` */
/* Stores a room that is ready (its name in the config and its address) or encrypted (encryption).
 * Strings are copied. */
void link_store_room(struct link *link, const char *name, const char *room_id, const char *address,
        const json_t *encryption);
/* Stores which rooms are settled if that has changed. Called before an answer of /sync is handed
 * on, so that what it said of the rooms is stored no later than the position after it. */
void link_store_settled(struct link *link);

/* link_known.c */
#define LINK_PROOF "token.proof" /* in the table `state` */
/* Whether the token is the known one; then the stored ids are the account's. */
bool link_knows_token(const struct link *link, const char *token);
/* What is stored of a token: a salted hash of it, of the homeserver and of whose it is. Owned by
 * the caller. */
char *link_prove_token(
        const struct link *link, const char *token, const char *user_id, const char *device_id);

/* link_identity.c */
/* Reads link->stored. Call before the loop turns. */
void identity_read_stored(struct link *link);
/* Starts the job, replacing one that waits for the timer. Strings are copied. */
void identity_begin(
        struct link *link, const char *user_id, const char *device_id, const char *token);
/* Takes over the job. */
void identity_submit(struct identity_job *job);
void identity_free(struct identity_job *job); /* NULL does nothing */

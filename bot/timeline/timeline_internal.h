/*
 * timeline_internal.h - what the parts of timeline.h share: timeline.c (life, the job),
 * timeline_fetch.c (what is asked of the homeserver before a batch is whole), timeline_read.c (the
 * job: decryption, and what the handlers get).
 */
#pragma once

#include <sys/queue.h>
#include "bot/timeline/timeline.h"

/* The power levels of a room, fetched once and then followed. What cannot be had is not kept: the
 * next batch asks again. */
struct timeline_power {
	TAILQ_ENTRY(timeline_power) link; /* timeline::powers */
	char *room_id;
	json_t *create, *levels; /* of their own, shared with no batch; NULL = none */
};

/* One configured room's part of a batch. */
struct batch_room {
	char *name, *room_id;
	bool encrypted; /* the room */
	json_t *events; /* of the answer's timeline; borrowed from it */
	json_t *state;  /* what changed before it, when events are missing in between; borrowed */
	json_t *filled; /* array of what the timeline left out, newest first; owned, or NULL */
	char *from;     /* token of the next page to fetch, or NULL */
	unsigned pages;
	bool wants_create, wants_levels;
	bool power_unknown; /* they cannot be had for this batch */
};

/* One event for the handlers. */
struct batch_item {
	const struct batch_room *room;
	const json_t *raw; /* belongs to the answer or to room->filled */
	int64_t power;     /* of its sender at that point */
};

struct timeline_batch {
	struct timeline *timeline;
	struct config *config; /* the loop's reference */
	json_t *answer;
	char *since, *next_batch;
	bool blind; /* the answer has no rooms: all that was written in them is to be fetched */
	struct batch_room *rooms;
	size_t rooms_len, at; /* at: the room that is being fetched for */
	struct batch_item *items;
	size_t items_len;
	struct report_status status; /* a copy */
	json_t *happened;            /* array, filled by the job */
	unsigned tries;              /* of the job */
	bool skip;                   /* store the position alone */
	int64_t held;                /* events whose keys are not here, counted by the job */
};

struct timeline {
	struct timeline_options options;
	struct config *config;
	struct timeline_events events;
	TAILQ_HEAD(, timeline_power) powers;
	struct timeline_batch *batch; /* or NULL */
	struct timeline_batch *next;  /* came while a retry was under way, or NULL */
	int64_t held;                 /* events whose keys are not here */
	bool retry;                   /* asked for during a batch */
	int64_t stored_ms;            /* monotonic; the position was */
	json_t *key_counts;           /* as batch_key_counts() of what was stored then, or NULL */
	struct mx_call *call;         /* under way, or NULL */
	unsigned tries;               /* failures of this request in a row */
	unsigned waits;               /* of this batch, for rooms not looked at yet */
	uv_timer_t timer;             /* the next try, of a request or of the job */
	bool in_job, closing, timer_closed;
	void (*closed)(void *arg);
	void *closed_arg;
};

/* timeline_fetch.c */
/* Fetches what is missing, then calls timeline_whole(). */
void timeline_fetch(struct timeline *timeline);
struct timeline_power *timeline_power(struct timeline *timeline, const char *room_id);
/* Takes note of a state event of a room whose power levels are known. */
void timeline_power_note(struct timeline *timeline, const char *room_id, const json_t *event);
void timeline_powers_finish(struct timeline *timeline);
/* True for an event that the handlers want: nothing of the bot's own user. */
bool timeline_wants(const json_t *event, const char *user_id);

/* timeline_read.c: the writer's job of a batch; on failure nothing of it was done. */
enum err batch_read(struct store *store, void *arg);

/* timeline.c */
void timeline_whole(struct timeline *timeline);
void timeline_closing(struct timeline *timeline);

/*
 * timeline_internal.h - what the parts of timeline.h share: timeline.c (batches, creation and
 * closing), timeline_fetch.c (requests that complete a batch), timeline_read.c (the writer job:
 * decryption, and calling the handlers).
 */
#pragma once

#include <sys/queue.h>
#include "bot/timeline/echoes.h"
#include "bot/timeline/own_list.h"
#include "bot/timeline/timeline.h"

/* The power levels of a room, fetched once and then kept up to date. A failure is not stored, so
 * the next batch fetches them again. */
struct timeline_power {
	TAILQ_ENTRY(timeline_power) link; /* timeline::powers */
	char *room_id;
	json_t *create, *levels; /* own copies, not shared with a batch; NULL = none */
};

/* One configured room's part of a batch. */
struct batch_room {
	char *name, *room_id;
	bool encrypted; /* the room */
	json_t *events; /* of the answer's timeline; borrowed from it */
	json_t *filled; /* array of the missing events, newest first; owned, or NULL */
	char *from;     /* token of the next page to fetch, or NULL */
	unsigned pages;
	bool wants_create, wants_levels;
	bool power_unknown; /* power levels could not be fetched for this batch */
};

/* One event for the handlers. */
struct batch_item {
	const struct batch_room *room;
	const json_t *raw; /* borrowed from the answer or room->filled */
	int64_t power;     /* of its sender at that time */
	struct echo about; /* the event of the bot that it is about, or NULLs */
};

struct timeline_batch {
	struct timeline *timeline;
	struct config *config; /* the loop's reference */
	json_t *answer;
	char *since, *next_batch;
	bool blind; /* the answer has no rooms: all their events are fetched */
	struct batch_room *rooms;
	size_t rooms_len, at; /* at: index of the room being fetched */
	struct batch_item *items;
	size_t items_len;
	struct report_status status; /* a copy */
	json_t *happened;            /* array, filled by the job */
	unsigned tries;              /* of the job, at the same place */
	json_t *place;               /* where the job is: an event's id; owned, or NULL */
	json_t *left_out;            /* array: places where it failed each time */
	int64_t held;                /* undecrypted events, counted by the job */
};

struct timeline {
	struct timeline_options options;
	struct config *config;
	struct timeline_events events;
	TAILQ_HEAD(, timeline_power) powers;
	struct timeline_batch *batch; /* or NULL */
	struct timeline_batch *next;  /* came during a retry, or NULL */
	int64_t held;                 /* undecrypted events */
	bool retry;                   /* requested during a batch */
	int64_t stored_ms;            /* monotonic; when the position was stored */
	json_t *key_counts;           /* batch_key_counts() as of stored_ms, or NULL */
	struct echoes echoes;
	struct own_list own_list;
	struct mx_call *call; /* in flight, or NULL */
	unsigned tries;       /* failures of this request in a row */
	unsigned waits;       /* of this batch, for rooms not checked yet */
	uv_timer_t timer;     /* next try of a request or of the job */
	bool in_job, closing, timer_closed;
	void (*closed)(void *arg);
	void *closed_arg;
};

/* timeline_fetch.c */
/* Fetches what is missing, then calls timeline_whole(). */
void timeline_fetch(struct timeline *timeline);
struct timeline_power *timeline_power(struct timeline *timeline, const char *room_id);
/* Applies a state event to the power levels of a room, if those are known. */
void timeline_power_note(struct timeline *timeline, const char *room_id, const json_t *event);
/* Forgets the room's power levels if they are among these state events. */
void timeline_power_doubt(struct timeline *timeline, const char *room_id, const json_t *state);
void timeline_powers_finish(struct timeline *timeline);
/* True for an event that the handlers need; never one of the bot's own user. */
bool timeline_wants(const json_t *event, const char *user_id);

/* timeline_read.c: the writer's job of a batch; on failure it has had no effect. An event that
 * meets damaged data fails alone. */
enum err batch_read(struct store *store, void *arg);
/* False: the job would do nothing with the event, which people wrote to each other. On the loop. */
bool batch_concerns(
        const struct timeline_batch *batch, const struct batch_room *room, const json_t *raw);

/* timeline.c */
void timeline_whole(struct timeline *timeline);
void timeline_closing(struct timeline *timeline);

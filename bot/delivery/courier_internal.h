/*
 * courier_internal.h - what the parts of courier.h share: courier.c (creation, closing, timers,
 * choosing) and lane.c (one event: looking for it, sending it, storing the result).
 */
#pragma once

#include <stdbool.h>
#include "bot/base/clock.h"
#include "bot/delivery/courier.h"
#include "bot/matrix/find.h"
#include "handlers/alerts/pace.h"

enum lane_state { LANE_IDLE, LANE_SENDING, LANE_WAITING };

struct lane {
	struct courier *courier;
	char name[64];
	enum lane_state state;
	unsigned failures;          /* in a row */
	char error[256];            /* why the last one failed */
	bool server_fault;          /* the backoff is due to an unreachable homeserver */
	int64_t served_ms;          /* monotonic; when its last event was sent */
	bool held;                  /* the backoff is due to the account or the homeserver */
	int64_t limited_ms;         /* wall clock; last refusal by a rate limit */
	bool noted;                 /* its event was a notice, not an alert */
	int64_t retry_at_ms;        /* monotonic; while waiting */
	struct deliver_event event; /* while sending */
	int64_t accepted;           /* outbox id of the last event that was accepted */
	bool refused;               /* the event was refused; that is being stored */
	bool missed;                /* a choice left the lane out, since it was sending */
	struct deliver_event ahead; /* prepared to follow it; outbox_id 0 = none */
	struct mx_call *call;
	struct find *find;
	int64_t started_ms, started_mono_ms;
	struct lane *next;
};

struct courier {
	uv_loop_t *loop;
	struct writer *writer;
	struct config *config;
	struct courier_events events;
	struct courier_counters counters;
	struct mirror *mirror;
	struct courier_cipher cipher; /* zero = none */
	struct mx *mx;
	struct rooms *rooms;
	char *user_id, *device_id;
	struct lane *lanes;
	uv_timer_t timer; /* the next due time or the end of a backoff */
	int64_t due_ms;   /* by deliver_next(), realtime; INT64_MAX = never */
	bool choosing;    /* one at a time, or two would freeze for the same idle room */
	unsigned jobs;    /* all jobs submitted and not done */
	struct pace pace;
	struct lane *limited; /* the last that a rate limit refused, and has not accepted since */
	bool rehomed;         /* events for rooms of an earlier config were moved */
	bool pace_known;      /* read from the store */
	int64_t pace_told_ms; /* monotonic; the limit is logged once a minute at most */
	char held[256];       /* why nothing is accepted from the account; "" = not so */
	int64_t held_told_ms; /* monotonic; the hold is logged once a minute at most */
	char limit[256];      /* for `status` */
	bool wanted;          /* poked while no choice could be made */
	bool troubled;        /* choosing fails, which was logged */
	bool closing, canceled;
	uv_timer_t grace; /* while closing: when to stop waiting */
	void (*stopped)(void *arg);
	void *stopped_arg;
	unsigned handles; /* not yet closed */
	void (*closed)(void *arg);
	void *closed_arg;
};

/* courier.c */
void courier_arm(struct courier *courier);     /* sets the timer for what is due next */
void courier_closing(struct courier *courier); /* call after each end while closing */

/* The result of an event that was accepted is stored at the latest after this, unless somebody
 * waits for it: until then it is in memory, and in each batch of the writer before anything else.
 * A crash in between makes the event be sent again under its transaction id. */
#define COURIER_RESULT_MS 500

/* While one event is sent at a time over all rooms, one that has no answer by then holds up the
 * other rooms no longer. */
#define COURIER_TURN_MS (2 * CLOCK_SECOND_MS)

/* Names in the table `state`. */
#define COURIER_PACE "courier.pace"

/* The room became encrypted while its event was chosen. */
bool courier_is_late(const struct courier *courier, const struct deliver_event *event);

/* lane.c */
struct lane *lane_get(struct courier *courier, const char *name); /* made when it is new */
/* Sends an event, looking for it in the room first if needed. Takes over *event; the lane must be
 * idle. */
void lane_start(struct lane *lane, struct deliver_event *event);
/* The outbox id of the event being sent if the next one may be prepared now, else 0. */
int64_t lane_wants_ahead(const struct lane *lane);
/* Sets the event that follows another, which was being sent when it was prepared; if that failed
 * meanwhile, the event returns to the outbox. Takes over *event. */
void lane_ahead(struct lane *lane, int64_t before, struct deliver_event *event);
/* What follows could not be prepared: it is chosen once the event that was being sent is accepted.
 */
void lane_none_ahead(struct lane *lane, int64_t before);

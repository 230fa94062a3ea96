/*
 * report.h - answers for people: what `status` and `alerts` say, the same in a room, on the
 * command line and over the socket. Pure.
 */
#pragma once

#include <jansson.h>
#include "bot/base/buf.h"
#include "storage/alerts.h"
#include "storage/outbox.h"

struct report_room {
	const char *name, *address, *room_id; /* room_id may be NULL */
	const char *problem;                  /* "" = ready */
	bool encrypted;
	bool denied; /* that it is encrypted, by the homeserver */
};

/* All pointers are borrowed. */
struct report_status {
	int64_t now_ms, started_ms;
	const char *version;
	const char *homeserver; /* base URL or what the config says */
	const char *problem;    /* why nothing is sent now, "" = online */
	int64_t last_sync_ms;   /* 0 = never */
	const struct report_room *rooms;
	size_t rooms_len;
	uint64_t sent, retried; /* since the start */
	unsigned in_flight, clients;
	/* encryption: how our device stands, why encrypted rooms wait ("" = they do not), its
	 * fingerprint, and what was refused (array of strings, or NULL) */
	const char *identity, *encryption_problem, *fingerprint;
	const json_t *notices;
	/* from storage */
	int64_t waiting, aside, oldest_ms;
	int64_t counts[3]; /* alerts of the last 24 h by severity */
	int64_t p95_ms;    /* -1 = no sends */
	const struct outbox_row *aside_rows;
	size_t aside_len;
};

/* A copy of what the loop knows, with strings and rooms of its own, for another thread; rows from
 * storage are left out. */
void report_status_copy(const struct report_status *from, struct report_status *to);
void report_status_finish(struct report_status *copy); /* a zeroed one is allowed */

/* Lines for a phone or a terminal. */
void report_status_text(const struct report_status *status, struct buf *out);
/* The same as data; a new reference. */
json_t *report_status_json(const struct report_status *status);

/* Newest first: one or two short lines an alert. */
void report_alerts_text(const struct alert_row *rows, size_t len, int64_t now_ms, struct buf *out);
json_t *report_alerts_json(const struct alert_row *rows, size_t len);

/*
 * hand_in.h - how alerts get to the daemon, or into the spool when it cannot take them.
 *
 * Each alert has an id before the first try, so that one whose answer was lost can be spooled
 * and still is in the room once. Not taken (no daemon, connection lost, no answer in time,
 * "retry" in the answer) means spooled; refused for good means refused, and is never spooled.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>
#include "bot/base/err.h"

#define SEND_WINDOW 256 /* unanswered alerts of --ndjson; well below the server's pipeline */

struct send {
	const char *socket, *spool; /* paths; spool may be NULL: none */
	int64_t timeout_ms;         /* for an answer */
};

enum send_result { SEND_TAKEN, SEND_SPOOLED, SEND_REFUSED, SEND_FAILED };

/* Gives the alert its op and, if it has none, an id; makes it fit into a request. */
void send_prepare(json_t *alert);

/*
 * Hands in one prepared alert. *answer (owned by the caller) is the daemon's, or one made here
 * in the same form: {"ok":true,"state":"spooled","id":…}. When wait is set, what `wait` said
 * comes in *waited (NULL if it was not taken). FAILED: neither daemon nor spool; *fault says why.
 */
enum send_result send_one(const struct send *send, json_t *alert, bool wait, json_t **answer,
        json_t **waited, struct fault *fault);

struct send_counts {
	unsigned long taken, spooled, refused, failed;
};

/* Reads alerts from fd, one a line, and writes one answer a line to standard output, in order. */
void send_lines(const struct send *send, int fd, struct send_counts *counts);
/* The two ends of send_lines() that send_one() shares. */
enum send_result send_spool(const struct send *send, json_t *alert, json_t **answer);
/* False when the daemon's answer says that the alert will not come into the room. */
bool send_is_on_its_way(const json_t *answer);
/* What the daemon's answer means; retry: it may be tried again. */
enum send_result send_judge(const json_t *answer, bool *retry);

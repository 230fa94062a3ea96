/*
 * hand_in.h - hands alerts to the daemon, or writes them to the spool when it cannot accept them.
 *
 * Each alert has an id before the first attempt, so that one whose answer was lost can be spooled
 * and still appears in the room once. An alert that could not be accepted (no daemon, connection
 * lost, no answer in time, "retry" in the answer) is spooled; one that was rejected for good is
 * not.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>
#include "bot/base/err.h"

#define SEND_WINDOW 256 /* unanswered alerts of --ndjson; well below the server's pipeline */

struct send {
	const char *socket, *spool; /* paths; spool may be NULL = none */
	int64_t timeout_ms;         /* how long to wait for an answer */
};

enum send_result { SEND_TAKEN, SEND_SPOOLED, SEND_REFUSED, SEND_FAILED };

/* Reads fd to its end as the alert's text, so that the writer is not interrupted; notes what had to
 * be corrected. */
void send_read_text(json_t *alert, int fd);

/* Sets the op of the alert and, if it has none, an id; makes it fit into a request. */
void send_prepare(json_t *alert);

/*
 * Hands in one prepared alert. *answer (owned by the caller) is the daemon's, or one made here in
 * the same form: {"ok":true,"state":"spooled","id":…}. If wait is set, *waited is the answer to
 * `wait` (NULL if the alert was not accepted). FAILED: neither daemon nor spool; *fault has the
 * reason.
 */
enum send_result send_one(const struct send *send, json_t *alert, bool wait, json_t **answer,
        json_t **waited, struct fault *fault);

struct send_counts {
	unsigned long taken, spooled, refused, failed;
};

/* Reads alerts from fd, one for each line, and writes one answer a line to standard output, in
 * order. */
void send_lines(const struct send *send, int fd, struct send_counts *counts);
/* Writes the alert to the spool and makes the answer; used by send_one() and send_lines(). */
enum send_result send_spool(const struct send *send, json_t *alert, json_t **answer);
/* False when the daemon's answer says that the alert will not appear in the room. */
bool send_is_on_its_way(const json_t *answer);
/* The result that the daemon's answer stands for; *retry: the request may be tried again. */
enum send_result send_judge(const json_t *answer, bool *retry);

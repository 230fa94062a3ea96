/*
 * command_when.h - from when until when, as a person writes it on a phone:
 *
 *     2h    until 07:00    until resolved    from 22:00 2h    in 30m for 1d12h    in 1h until 9:00
 *
 * Times of day are those of the process's zone (bot/base/zone.h), their next occurrence. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct command_when {
	int64_t start_ms; /* 0 = at once */
	int64_t end_ms;
	bool until_resolved; /* ends earlier when it is */
};

/*
 * Reads what stands at *text, which moves behind it, to free text or its end. Without an end it
 * is usual_ms long. False: *why says what is wrong, for people: an end that is none, over most_ms.
 */
bool command_when_read(const char **text, int64_t now_ms, int64_t usual_ms, int64_t most_ms,
        struct command_when *out, char why[160]);

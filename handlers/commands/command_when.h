/*
 * command_when.h - parses from when until when, as people write it on a phone:
 *
 *     2h    90 min    until 7pm    until tomorrow 07:00    until resolved    from 22:00 2h
 *     in 30m for 1d12h    in 1h until 9:00    until mon 9:00    until 2026-12-01 18:00
 *
 * Times of day are in the process's zone (bot/base/zone.h) and mean their next occurrence. What is
 * not understood is refused, never guessed. Pure.
 */
#pragma once

#include "handlers/commands/arguments.h"

struct command_when {
	int64_t start_ms; /* 0 = at once */
	int64_t end_ms;
	bool until_resolved; /* ends earlier if everything it covers is resolved */
	bool reason;         /* a dash marked the rest as free text */
};

/*
 * Reads the words that give the times, up to free text or the end. Without an end the length is
 * usual_ms. False: why says for people what is wrong: no valid time, longer than most_ms, or a time
 * in what would be taken for free text.
 */
bool command_when_read(struct input *words, int64_t now_ms, int64_t usual_ms, int64_t most_ms,
        struct command_when *out, char why[160]);

/* A duration: "2h", "2 hours", "1h 30m", "half an hour". False: none, and nothing was read. */
bool command_duration_read(struct input *words, int64_t *ms);

/* True when the words begin with one of the times that command_when_read() reads. */
bool command_when_is(const struct input *words);

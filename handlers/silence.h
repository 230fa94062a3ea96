/*
 * silence.h - silences: what they hold back, and their end. Inside writer jobs.
 */
#pragma once

#include "handlers/deliver.h"
#include "storage/silences.h"

/* The first silence that holds the alert back, counted there; *id is 0 when none does. A resolved
 * alert ends the silences that lasted until then, and is never held back. */
enum err silence_check(const struct deliver *d, const struct alert *alert, int64_t *id);

/* Ends those whose time is over; the room of each is told how many it held back. */
enum err silence_end_due(const struct deliver *d);
/* Ends one now; reason: "its time is over", in the room's line. */
enum err silence_end(const struct deliver *d, struct silence_row *row, const char *why);

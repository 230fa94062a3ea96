/*
 * held.h - failures that fire and were held back: they are kept until they are resolved, or until
 * nothing holds them back any more. Then criticals are delivered like new ones; of others the end
 * of the silence or quiet time has told. Inside writer jobs.
 */
#pragma once

#include "handlers/alerts/deliver.h"
#include "handlers/message/words.h"
#include "storage/alerts.h"

/* Delivers what nothing holds back any more; call it every few seconds. */
enum err held_release(const struct deliver *d);

/* What of a subject is held back is over; *was_held: something was. */
enum err held_resolve(const struct deliver *d, const char *subject, bool *was_held);

#define HELD_MAX 100 /* rows that are asked for */

/* "Still firing:" and a list of them: rows of alerts_held(); of one room, NULL = of all. Nothing
 * when there is none. */
void held_say(const struct alert_row *rows, size_t len, const char *room, struct words *out);

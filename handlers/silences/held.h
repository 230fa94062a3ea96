/*
 * held.h - alerts that are firing but held: they are kept until they are resolved, or until nothing
 * holds them any more. Then unacknowledged critical alerts are delivered like new ones, and so are
 * inhibited alerts that no message shows. So are critical alerts that a quiet time holds no longer
 * because the config was changed. The others were listed in the room at the end of the
 * silence or quiet time. Inside writer jobs.
 */
#pragma once

#include "handlers/alerts/deliver.h"
#include "handlers/message/words.h"
#include "storage/alerts.h"

/* Delivers the alerts that nothing holds any more; call it every few seconds. Costs a lookup for
 * each silence and quiet time that holds something, however much each holds, and for each inhibited
 * alert. */
enum err held_release(const struct deliver *d);

/* Resolves the held alerts of a subject, which may end silences; *was_held: there were any. */
enum err held_resolve(const struct deliver *d, const char *subject, bool *was_held);

#define HELD_MAX 100 /* maximum number of rows read */

/* Adds "Still firing:" and a list. rows: from alerts_held(); room: only of that room, NULL =
 * all. Adds nothing when there are none. */
void held_say(const struct alert_row *rows, size_t len, const char *room, struct words *out);

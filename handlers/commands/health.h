/*
 * health.h - the one definition of health, for `status`, `!status`, `check`, exit codes and the
 * page: whatever keeps people from reading an alert is a problem. Pure.
 */
#pragma once

#include <jansson.h>
#include "bot/base/clock.h"
#include "handlers/commands/report.h"

/* Differences of the clocks up to this are no problem; the homeserver tells whole seconds. */
#define HEALTH_SKEW_MS (30 * CLOCK_SECOND_MS)

/*
 * The current problems, most serious first: an array of {"cause", "text", "html", "fix"}, empty
 * when there are none. cause is one of storage, database, homeserver, clock, account, rate_limit,
 * room, readers, encryption, undeliverable, queue, spool, silence, watch; text says what is wrong,
 * fix what a person can do about it. prefix is put before commands, "" on the command line. A new
 * reference.
 */
json_t *health_problems(const struct report_status *status, const char *prefix);

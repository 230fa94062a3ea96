/*
 * quiet.h - quiet times of the config ([quiet NAME]): when they hold, what they hold back, and
 * what is told at their end. Times are those of the process's zone (bot/base/zone.h).
 */
#pragma once

#include "handlers/alerts/deliver.h"
#include "handlers/alerts/facts.h"
#include "handlers/message/words.h"

/* True while it holds. *until_ms: when that ends, else when it begins next (INT64_MAX = never).
 * A time of day that the change of a clock leaves out is the end of that gap, one that comes twice
 * is the first. Pure. */
bool quiet_holds(const struct config_quiet *quiet, int64_t now_ms, int64_t *until_ms);

/* The first quiet time that holds back an alert now, or NULL. One whose regular expression
 * reaches its limit is given up until it ends. Inside writer jobs; room: where the alert goes. */
enum err quiet_for(const struct deliver *d, struct facts *facts, const char *room,
        const struct config_quiet **found);

/* Whether it holds now, and was not given up. */
enum err quiet_still_holds(const struct deliver *d, const char *name, bool *holds);

/* Tells the rooms what was held back by quiet times that are over. Inside writer jobs. */
enum err quiet_end_due(const struct deliver *d);

/* "mon-fri 23:00–07:00, now until 07:00 CET: app="etl"". */
void quiet_text(const struct config_quiet *quiet, int64_t now_ms, struct words *out);

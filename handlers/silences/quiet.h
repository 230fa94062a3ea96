/*
 * quiet.h - quiet times of the config ([quiet NAME]): when they are active, what they hold, and
 * what the rooms are told at their end. Times are in the process's zone (bot/base/zone.h).
 */
#pragma once

#include "handlers/alerts/deliver.h"
#include "handlers/alerts/facts.h"
#include "handlers/message/words.h"

/* True while the quiet time is active. *until_ms: its end, otherwise its next beginning
 * (INT64_MAX = never). A time of day that a clock change skips is the end of that gap, one that
 * occurs twice is the first. Pure. */
bool quiet_holds(const struct config_quiet *quiet, int64_t now_ms, int64_t *until_ms);

/* The first quiet time that holds the alert now, or NULL. One whose regular expression reaches
 * its cost limit is disabled until it ends. Inside writer jobs. room: where the alert would go. */
enum err quiet_for(const struct deliver *d, struct facts *facts, const char *room,
        const struct config_quiet **found);

/* Whether the quiet time is active now and was not disabled. */
enum err quiet_still_holds(const struct deliver *d, const char *name, bool *holds);

/* *changed: what the quiet times hold is configured differently than at the last call. */
enum err quiet_follow_config(const struct deliver *d, bool *changed);

/* Tells the rooms what the quiet times that have ended held. Inside writer jobs. */
enum err quiet_end_due(const struct deliver *d);

/* "mon-fri 23:00–07:00, now until 07:00 CET: app="etl"". */
void quiet_text(const struct config_quiet *quiet, int64_t now_ms, struct words *out);

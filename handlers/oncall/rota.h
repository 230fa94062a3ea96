/*
 * rota.h - who is on call: a function of the config's schedule, the overrides and the time. Turns
 * begin at a time of day in the process's zone (bot/base/zone.h): a time that a clock change skips
 * is the end of that gap, one that occurs twice is the first. Pure.
 */
#pragma once

#include "bot/config/config.h"
#include "storage/oncall_overrides.h"

/* Borrows its strings from the config and the overrides. */
struct rota_turn {
	const char *user;
	int64_t until_ms;   /* when the next user takes over; INT64_MAX = never */
	const char *next;   /* the next user; NULL if until_ms is INT64_MAX */
	const char *author; /* who made the override; NULL: it is the user's regular turn */
};

/* overrides: of all schedules, in the order in which they were made; the last one that covers a
 * moment applies. */
void rota_at(const struct config_oncall *oncall, const struct oncall_override_row *overrides,
        size_t len, int64_t now_ms, struct rota_turn *out);

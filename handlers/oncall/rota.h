/*
 * rota.h - who is on call: a function of a schedule of the config, of who took over from whom, and
 * of time. Turns begin by the clock of the process's zone (bot/base/zone.h): a time of day that a
 * change of the clock leaves out is the end of that gap, one that comes twice is the first. Pure.
 */
#pragma once

#include "bot/config/config.h"
#include "storage/oncall_overrides.h"

/* Borrows from the config and the overrides. */
struct rota_turn {
	const char *user;
	int64_t until_ms;   /* when somebody else has it; INT64_MAX = nobody ever will */
	const char *next;   /* who then; NULL: see until_ms */
	const char *author; /* who said so, where it is not the user's turn; or NULL */
};

/* overrides: of all schedules, in the order in which they were made; the last one that covers a
 * moment counts. */
void rota_at(const struct config_oncall *oncall, const struct oncall_override_row *overrides,
        size_t len, int64_t now_ms, struct rota_turn *out);

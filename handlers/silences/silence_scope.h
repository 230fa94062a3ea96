/*
 * silence_scope.h - what matchers would match now, before they become a silence.
 */
#pragma once

#include "handlers/alerts/facts.h"

#define SILENCE_SCOPE_NAMES 3

struct silence_scope {
	bool all;                /* matches everything: no app, severity or alert is left out */
	bool limit;              /* a regular expression reached its limit: the rest is unknown */
	size_t firing, last_day; /* last_day: as received */
	bool last_day_cut;       /* there were more than were compared */
	char *names[SILENCE_SCOPE_NAMES]; /* "etl · etl_users" of the first firing ones; owned */
};

enum err silence_scope(struct store *store, const struct matchers *matchers, int64_t now_ms,
        struct silence_scope *scope);
void silence_scope_finish(struct silence_scope *scope);

/*
 * resolve.h - resolves failures for which no `resolved` will be sent: by hand, or after a time. The
 * effect is the same as if the app had sent it, in all messages where the failure is firing. Inside
 * writer jobs.
 */
#pragma once

#include "handlers/alerts/deliver.h"

/* Zeroed by the caller; results of several calls add up. */
struct resolve_result {
	int changed;   /* failures that were resolved */
	char *what;    /* the first one's name, owned, or NULL */
	bool are_many; /* an app, or all: no line in each thread */
};

void resolve_result_finish(struct resolve_result *result);

/* Resolves everything that failed in a run, or what an event of the bot is about (about.h).
 * ERR_NOT_FOUND: no such run or event. */
enum err resolve_run(const struct deliver *d, const char *run_id, const char *by, const char *note,
        struct resolve_result *result);
enum err resolve_event(const struct deliver *d, const char *event_id, const char *by,
        const char *note, struct resolve_result *result);
/* Resolves everything of an app that is firing; NULL: of all apps. Reads everything that fires. */
enum err resolve_app(const struct deliver *d, const char *app, const char *by, const char *note,
        struct resolve_result *result);

/* Resolves failures that have been firing for longer than resolve_after of their app or kind, some
 * hundreds in each call. Reads no others; once after the limits in the config changed, everything
 * that fires. */
enum err resolve_due(const struct deliver *d);

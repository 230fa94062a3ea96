/*
 * resolve.h - closes what fires and will never say `resolved` itself: by hand, or after a while.
 * It is taken in as if the app had said so, in all messages where it fires. Inside writer jobs.
 */
#pragma once

#include "handlers/alerts/deliver.h"

/* Begins zeroed; results of several calls add up. */
struct resolve_result {
	int changed;   /* failures that were closed */
	char *what;    /* the first one's name, owned, or NULL */
	bool are_many; /* of an app, or all: nothing is said in the threads */
};

void resolve_result_finish(struct resolve_result *result);

/* All that a run failed, or what an event of ours is about. ERR_NOT_FOUND: nothing by that name. */
enum err resolve_run(const struct deliver *d, const char *run_id, const char *by, const char *note,
        struct resolve_result *result);
enum err resolve_event(const struct deliver *d, const char *event_id, const char *by,
        const char *note, struct resolve_result *result);
/* All that fires of an app; NULL: of all. */
enum err resolve_app(const struct deliver *d, const char *app, const char *by, const char *note,
        struct resolve_result *result);

/* What fires for longer than resolve_after of its app or kind allows. */
enum err resolve_due(const struct deliver *d);

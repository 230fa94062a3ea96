/*
 * expire.h - alerts that say when they end (`ends_at`): each is over by then, unless it comes again
 * before, which only moves its end. So posts what Prometheus posts, again and again. Inside
 * writer jobs.
 *
 * The ends are in the store, so that they outlive the process. What ended while the daemon was down
 * could not come again meanwhile: it gets its whole time once more from the start on.
 */
#pragma once

#include "handlers/alerts/deliver.h"

/* What an alert that is taken in means for the end of its subject. *first: the alert that fires
 * already and goes on, 0 = it is to be taken in. */
enum err expire_look(const struct deliver *d, const struct alert *alert, int64_t *first);
/* It was stored under that number. */
enum err expire_note(const struct deliver *d, const struct alert *alert, int64_t id);

/* Resolves what is over. started_ms: the daemon's start, when this is the first look after it;
 * else 0. */
enum err expire_due(const struct deliver *d, int64_t started_ms);

/*
 * next_time.h - the times of the clock that people know beforehand, and at which something happens
 * then: the bot's heartbeat, the changes of on-call schedules, the ends of silences and quiet
 * times.
 */
#pragma once

#include "handlers/alerts/deliver.h"

/* The first such time after d->now_ms and up to until_ms; INT64_MAX = there is none. Reads by an
 * index the silences that end by then, and the overrides of on-call schedules. Inside a writer
 * job. */
enum err next_time(const struct deliver *d, int64_t until_ms, int64_t *next_ms);

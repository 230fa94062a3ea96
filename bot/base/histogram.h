/*
 * histogram.h - distribution of durations, for metrics. Pure.
 */
#pragma once

#include <stdint.h>

#define HISTOGRAM_BOUNDS 17

/* Upper bounds of the buckets in ms; longer durations are counted in `count` only. */
extern const int64_t histogram_bounds_ms[HISTOGRAM_BOUNDS];

struct histogram {
	uint64_t buckets[HISTOGRAM_BOUNDS]; /* each for itself, not cumulative */
	uint64_t count, sum_ms;
};

/* Negative values count as 0. */
void histogram_add(struct histogram *histogram, int64_t ms);

/*
 * histogram.h - how often something took how long, for metrics. Pure.
 */
#pragma once

#include <stdint.h>

#define HISTOGRAM_BOUNDS 17

/* Upper bounds of the buckets in ms; what is above the last one is in count alone. */
extern const int64_t histogram_bounds_ms[HISTOGRAM_BOUNDS];

struct histogram {
	uint64_t buckets[HISTOGRAM_BOUNDS]; /* each of its own, not summed up */
	uint64_t count, sum_ms;
};

/* Below 0 counts as 0. */
void histogram_add(struct histogram *histogram, int64_t ms);

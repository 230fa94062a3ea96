/*
 * histogram.c - see histogram.h.
 */
#include "bot/base/histogram.h"

#include <stddef.h>

const int64_t histogram_bounds_ms[HISTOGRAM_BOUNDS] = {
        1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2000, 3000, 5000, 10000, 30000, 60000, 300000};

void histogram_add(struct histogram *histogram, int64_t ms)
{
	size_t i = 0;

	ms = ms > 0 ? ms : 0;
	while (i < HISTOGRAM_BOUNDS && ms > histogram_bounds_ms[i])
		i++;
	if (i < HISTOGRAM_BOUNDS)
		histogram->buckets[i]++;
	histogram->count++;
	histogram->sum_ms += (uint64_t)ms;
}

/*
 * op_counts.h - counts for metrics since the start: alerts by app and severity, their results, and
 * how long their commits took. The number of app names is bounded, since they come from outside.
 */
#pragma once

#include <jansson.h>
#include "bot/base/histogram.h"
#include "handlers/alerts/deliver.h"

#define OP_COUNTS_APPS_MAX 100 /* further apps are counted as "other" */
#define OP_COUNTS_STATES 8

struct op_counts {
	struct op_counts_app {
		char name[ALERT_APP_MAX + 1];
		uint64_t firing[SEVERITY_COUNT], resolved;
	} apps[OP_COUNTS_APPS_MAX + 1];
	size_t apps_len;
	struct {
		const char *name; /* static */
		uint64_t count;
	} states[OP_COUNTS_STATES];
	struct histogram commit; /* from a request to its durable commit */
};

/* Counts an alert that was stored or was a duplicate; took_ms: since it was received. */
void op_counts_add(
        struct op_counts *counts, const struct alert *alert, const char *state, int64_t took_ms);
/* Sets the members of a metrics answer. */
void op_counts_json(const struct op_counts *counts, json_t *json);
/* {"buckets": [...], "count", "sum_ms"} with cumulative buckets; a new reference. */
json_t *op_counts_histogram_json(const struct histogram *histogram);

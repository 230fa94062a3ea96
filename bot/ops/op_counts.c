/*
 * op_counts.c - see op_counts.h.
 */
#include "bot/ops/op_counts.h"

#include <stdio.h>
#include <string.h>

static struct op_counts_app *op_counts_app(struct op_counts *counts, const char *name)
{
	for (size_t i = 0; i < counts->apps_len; i++)
		if (strcmp(counts->apps[i].name, name) == 0)
			return &counts->apps[i];
	if (counts->apps_len == OP_COUNTS_APPS_MAX)
		name = "other";
	if (counts->apps_len > OP_COUNTS_APPS_MAX)
		return &counts->apps[OP_COUNTS_APPS_MAX];
	snprintf(counts->apps[counts->apps_len].name, sizeof(counts->apps[0].name), "%s", name);
	return &counts->apps[counts->apps_len++];
}

void op_counts_add(
        struct op_counts *counts, const struct alert *alert, const char *state, int64_t took_ms)
{
	struct op_counts_app *app = op_counts_app(counts, alert->app);
	size_t i = 0;

	histogram_add(&counts->commit, took_ms);
	while (i < OP_COUNTS_STATES - 1 && counts->states[i].name &&
	        strcmp(counts->states[i].name, state) != 0)
		i++;
	counts->states[i].name = state;
	counts->states[i].count++;
	if (strcmp(state, "duplicate") == 0)
		return;
	if (alert->resolved)
		app->resolved++;
	else
		app->firing[alert->severity]++;
}

json_t *op_counts_histogram_json(const struct histogram *histogram)
{
	json_t *buckets = json_array();
	uint64_t sum = 0;

	for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++) {
		sum += histogram->buckets[i];
		json_array_append_new(buckets, json_integer((json_int_t)sum));
	}
	return json_pack("{s:o, s:I, s:I}", "buckets", buckets, "count",
	        (json_int_t)histogram->count, "sum_ms", (json_int_t)histogram->sum_ms);
}

void op_counts_json(const struct op_counts *counts, json_t *json)
{
	json_t *apps = json_object(), *states = json_object();

	for (size_t i = 0; i < counts->apps_len; i++) {
		const struct op_counts_app *app = &counts->apps[i];
		json_t *one = json_pack("{s:I}", "resolved", (json_int_t)app->resolved);

		for (int s = 0; s < SEVERITY_COUNT; s++)
			json_object_set_new(one, severity_name((enum severity)s),
			        json_integer((json_int_t)app->firing[s]));
		json_object_set_new(apps, app->name, one);
	}
	for (size_t i = 0; i < OP_COUNTS_STATES && counts->states[i].name; i++)
		json_object_set_new(states, counts->states[i].name,
		        json_integer((json_int_t)counts->states[i].count));
	json_object_set_new(json, "alerts_by_app", apps);
	json_object_set_new(json, "alerts_by_state", states);
	json_object_set_new(json, "commit", op_counts_histogram_json(&counts->commit));
}

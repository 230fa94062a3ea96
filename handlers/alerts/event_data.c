/*
 * event_data.c - see event_data.h.
 */
#include "handlers/alerts/event_data.h"

#include <stdlib.h>
#include <string.h>
#include "bot/base/buf.h"
#include "bot/base/clock.h"
#include "bot/base/json_canonical.h"
#include "bot/base/text.h"
#include "bot/config/config.h"
#include "handlers/alerts/alert.h"

#define DATA_SMALL 500 /* bytes of fields below which nothing is cut */
#define DATA_NAMES 228 /* bytes of names, times and numbers of an entry */

/* How much of an entry's data is kept; the first of cuts[] that fits is used. */
struct data_cut {
	size_t points; /* code points of a text */
	size_t fields, runs;
};

static const struct data_cut cuts[] = {
        {500, 64, 200}, {200, 64, 50}, {200, 16, 20}, {80, 8, 5}, {0, 0, 3}};

#define CUTS_LEN (sizeof(cuts) / sizeof(cuts[0]))

/* Matrix events may only hold integers of at most 53 bits (canonical JSON): a homeserver rejects
 * the whole event for any other number. */
static bool data_fits_event(const json_t *value)
{
	json_int_t integer = json_integer_value(value);

	return !json_is_number(value) ||
	       (json_is_integer(value) && integer >= -JSON_CANONICAL_INTEGER &&
	               integer <= JSON_CANONICAL_INTEGER);
}

static json_t *data_fields(const char *stored, const struct data_cut *cut)
{
	json_t *fields = json_loads(stored ? stored : "{}", 0, NULL), *value;
	const char *name;
	size_t kept = 0;
	struct buf text;
	void *next;

	buf_init(&text, cut->points * 4 + 16);
	json_object_foreach_safe(fields, next, name, value)
	{
		char *whole;

		if (kept == cut->fields) {
			json_object_del(fields, name);
			continue;
		}
		kept++;
		if (!json_is_string(value) && data_fits_event(value))
			continue;
		whole = alert_scalar_text(value);
		buf_reset(&text);
		text_add_plain(&text, whole, cut->points, TEXT_KEEP_NEWLINES);
		json_object_set_new(fields, name, json_string(buf_str(&text)));
		free(whole);
	}
	buf_finish(&text);
	return fields;
}

/* The newest runs. */
static json_t *data_runs(const char *stored, const struct data_cut *cut)
{
	json_t *runs = json_loads(stored ? stored : "[]", 0, NULL);

	while (json_array_size(runs) > cut->runs)
		json_array_remove(runs, 0);
	return runs;
}

static json_t *data_entry(const struct entry_row *entry, const struct data_cut *cut)
{
	char first[32], last[32];

	clock_format_rfc3339(entry->first_ms, first, sizeof(first));
	clock_format_rfc3339(entry->last_ms, last, sizeof(last));
	return json_pack(
	        "{s:s, s:s, s:s, s:s, s:s, s:s?, s:I, s:o?, s:s, s:s, s:s?, s:o?, s:s*, s:s*}",
	        "app", entry->app, "kind", entry->kind, "severity",
	        severity_name((enum severity)entry->severity), "status",
	        entry->resolved_ms ? "resolved" : "firing", "fingerprint", entry->fingerprint,
	        "identity", entry->identity, "count", (json_int_t)entry->count, "run_ids",
	        data_runs(entry->run_ids, cut), "first_at", first, "last_at", last, "url",
	        entry->url, "fields", data_fields(entry->fields, cut), "acked_by",
	        entry->acked_ms ? entry->acked_by : NULL, "resolved_by",
	        entry->resolved_ms ? entry->resolved_by : NULL);
}

static size_t data_size(const json_t *data)
{
	return json_dumpb(data, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY);
}

size_t event_data_size(const struct entry_row *entry)
{
	size_t fields = strlen(entry->fields);
	json_t *data;
	size_t size;

	/* Small fields are never cut, so adding up the lengths is enough. This runs for every
	 * alert, and building the JSON would cost more. */
	if (fields < DATA_SMALL)
		return DATA_NAMES + fields + strlen(entry->run_ids ? entry->run_ids : "") +
		       strlen(entry->app) + strlen(entry->kind) + strlen(entry->fingerprint) +
		       text_json_size(entry->identity) +
		       text_json_size(entry->url ? entry->url : "");
	data = data_entry(entry, &cuts[0]);
	size = data_size(data);
	json_decref(data);
	return size;
}

static json_t *data_entries(
        const struct entry_row *entries, size_t entries_len, const struct data_cut *cut)
{
	json_t *all = json_array();

	for (size_t i = 0; i < entries_len; i++)
		json_array_append_new(all, data_entry(&entries[i], cut));
	return all;
}

json_t *event_data_most(const struct entry_row *entries, size_t entries_len)
{
	return data_entries(entries, entries_len, &cuts[0]);
}

json_t *event_data(const struct entry_row *entries, size_t entries_len, size_t max, size_t *size)
{
	json_t *all = NULL;

	for (size_t i = 0; i < CUTS_LEN && (i == 0 || *size > max); i++) {
		json_decref(all);
		all = data_entries(entries, entries_len, &cuts[i]);
		*size = data_size(all);
	}
	while (*size > max && json_array_size(all) > 0) {
		json_array_remove(all, json_array_size(all) - 1);
		*size = data_size(all);
	}
	return all;
}

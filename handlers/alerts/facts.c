/*
 * facts.c - see facts.h.
 */
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/matcher.h"
#include "handlers/alerts/facts.h"

void facts_of_alert(struct facts *facts, const struct alert *alert, const char *url)
{
	*facts = (struct facts){
	        .app = alert->app,
	        .kind = alert->kind,
	        .run_id = alert->run_id,
	        .id = alert->id,
	        .key = alert->key,
	        .url = url,
	        .title = alert->title,
	        .text = alert->text,
	        .identity = alert->identity,
	        .severity = alert->severity,
	        .resolved = alert->resolved,
	        .at_ms = alert->at_ms,
	        .fields = alert->fields,
	};
}

/* Title and text are among the stored fields. */
void facts_of_row(struct facts *facts, const struct alert_row *row)
{
	*facts = (struct facts){
	        .app = row->app,
	        .kind = row->kind,
	        .run_id = row->run_id,
	        .id = row->ext_id,
	        .key = row->key,
	        .url = row->url,
	        .identity = row->identity,
	        .severity = (enum severity)row->severity,
	        .resolved = row->resolved,
	        .at_ms = row->at_ms,
	        .loaded = {json_loads(row->fields, 0, NULL)},
	};
	facts->fields = facts->loaded[0];
}

void facts_of_entry(struct facts *facts, const struct entry_row *row)
{
	json_t *runs = json_loads(row->run_ids, 0, NULL);

	*facts = (struct facts){
	        .app = row->app,
	        .kind = row->kind,
	        .run_id = json_string_value(json_array_get(runs, json_array_size(runs) - 1)),
	        .id = row->ext_id,
	        .key = row->key,
	        .url = row->url,
	        .identity = row->identity,
	        .severity = (enum severity)row->severity,
	        .resolved = row->resolved_ms != 0,
	        .at_ms = row->last_ms,
	        .loaded = {json_loads(row->fields, 0, NULL), runs},
	};
	facts->fields = facts->loaded[0];
}

void facts_finish(struct facts *facts)
{
	json_decref(facts->loaded[0]);
	json_decref(facts->loaded[1]);
	json_decref(facts->texts);
}

char *facts_value(const struct facts *facts, const char *name)
{
	const struct {
		const char *name, *text;
	} texts[] = {
	        {"app", facts->app},
	        {"kind", facts->kind},
	        {"run_id", facts->run_id},
	        {"id", facts->id},
	        {"key", facts->key},
	        {"url", facts->url},
	        {"title", facts->title},
	        {"text", facts->text},
	        {"severity", severity_name(facts->severity)},
	        {"status", facts->resolved ? "resolved" : "firing"},
	};
	const json_t *field;
	char at[32];

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i].text && strcmp(texts[i].name, name) == 0)
			return x_strdup(texts[i].text);
	if (strcmp(name, "at") == 0) {
		clock_format_rfc3339(facts->at_ms, at, sizeof(at));
		return x_strdup(at);
	}
	field = json_object_get(facts->fields, name);
	return field ? alert_scalar_text(field) : NULL;
}

/* The value that a label has which is neither a common key nor a field's name; owned by the caller.
 */
static char *facts_label(const struct facts *facts, const char *name)
{
	const json_t *field, *found = NULL;
	const char *of;

	if (strcmp(name, "alertname") == 0)
		return facts->identity ? x_strdup(facts->identity) : NULL;
	json_object_foreach((json_t *)facts->fields, of, field)
	{
		char *label = found ? NULL : matcher_label(of);

		if (label && strcmp(label, name) == 0)
			found = field;
		free(label);
	}
	return found ? alert_scalar_text(found) : NULL;
}

const char *facts_text(const char *name, void *arg)
{
	struct facts *facts = arg;
	json_t *text = json_object_get(facts->texts, name);
	char *value;

	if (!facts->texts)
		facts->texts = json_object();
	if (!text) {
		value = facts_value(facts, name);
		if (!value)
			value = facts_label(facts, name);
		text = value ? json_string_nocheck(value) : json_null();
		json_object_set_new_nocheck(facts->texts, name, text);
		free(value);
	}
	return json_string_value(text);
}

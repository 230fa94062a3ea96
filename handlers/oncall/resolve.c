/*
 * resolve.c - see resolve.h.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/buf.h"
#include "bot/base/clock.h"
#include "handlers/oncall/about.h"
#include "handlers/oncall/resolve.h"
#include "handlers/silences/held.h"
#include "storage/alerts.h"
#include "storage/messages.h"
#include "storage/state.h"

#define RUN_MAX 200              /* alerts of a run */
#define OPEN_MAX 500             /* firing entries read at once */
#define LIMITS_MAX (1024 * 1024) /* bytes; more than any config has */

/* A resolved alert for an entry's failure. */
static enum err make_resolved(
        const struct deliver *d, const struct entry_row *entry, struct alert **alert)
{
	json_t *request = json_pack("{s:s, s:s, s:s, s:s, s:o*}", "app", entry->app, "kind",
	        entry->kind, "severity", severity_name((enum severity)entry->severity), "status",
	        "resolved", "fields", json_loads(entry->fields, 0, NULL));
	struct alert_fault fault;
	enum err err = alert_parse(request, d->config, d->now_ms, alert, &fault);

	json_decref(request);
	if (err != OK)
		return err;
	/* the entry has the subject, even if it came from the alert's own key */
	free((*alert)->subject);
	free((*alert)->fingerprint);
	free((*alert)->identity);
	(*alert)->subject = x_strdup(entry->subject);
	(*alert)->fingerprint = x_strdup(entry->fingerprint);
	(*alert)->identity = x_strdup(entry->identity);
	return OK;
}

static void resolve_tell_subscribers(
        const struct deliver *d, const struct entry_row *entry, const char *by, const char *note)
{
	if (d->happened)
		json_array_append_new(d->happened,
		        json_pack("{s:s, s:s, s:s, s:s, s:o*, s:s*}", "event", "resolved", "by", by,
		                "app", entry->app, "identity", entry->identity, "run_ids",
		                json_loads(entry->run_ids, 0, NULL), "note", note));
}

static enum err close_entry(const struct deliver *d, const struct entry_row *entry, const char *by,
        const char *note, struct resolve_result *result)
{
	struct deliver_receipt receipt;
	struct alert *alert = NULL;
	enum err err = make_resolved(d, entry, &alert);

	if (err == OK) {
		alert->resolved_by = by;
		alert->resolve_note = note;
		alert->is_one_of_many = result->are_many;
		err = deliver_accept(d, alert, &receipt);
	}
	if (err == OK) {
		resolve_tell_subscribers(d, entry, by, note);
		if (result->changed++ == 0)
			result->what = x_asprintf("%s · %s", entry->app, entry->identity);
	}
	alert_destroy(alert);
	return err;
}

/* Resolves the newest failure of a subject; that alert resolves the older ones too. */
static enum err close_subject(const struct deliver *d, const char *subject, const char *by,
        const char *note, struct resolve_result *result)
{
	struct entry_row *rows = NULL;
	size_t len = 0;
	bool was_held = false;
	enum err err = entries_firing(d->store, subject, 1, &rows, &len);

	if (err == OK && len > 0)
		err = close_entry(d, &rows[0], by, note, result);
	else if (err == OK)
		err = held_resolve(d, subject, &was_held);
	if (was_held && result->changed++ == 0)
		result->what = x_strdup("what was silenced");
	entry_rows_free(rows, len);
	return err;
}

enum err resolve_run(const struct deliver *d, const char *run_id, const char *by, const char *note,
        struct resolve_result *result)
{
	struct alert_row *rows = NULL;
	size_t len = 0;
	enum err err = alerts_of_run(d->store, run_id, RUN_MAX, &rows, &len);

	if (err == OK && len == 0)
		err = ERR_NOT_FOUND;
	for (size_t i = 0; i < len && err == OK; i++)
		err = close_subject(d, rows[i].subject, by, note, result);
	alert_rows_free(rows, len);
	return err;
}

enum err resolve_event(const struct deliver *d, const char *event_id, const char *by,
        const char *note, struct resolve_result *result)
{
	struct entry_row *rows = NULL;
	size_t len = 0;
	enum err err = about_event(d->store, event_id, &rows, &len);

	for (size_t i = 0; i < len && err == OK; i++)
		err = close_subject(d, rows[i].subject, by, note, result);
	entry_rows_free(rows, len);
	return err;
}

enum err resolve_app(const struct deliver *d, const char *app, const char *by, const char *note,
        struct resolve_result *result)
{
	struct entry_row *rows = NULL;
	size_t len = 0;
	enum err err = entries_open(d->store, 0, OPEN_MAX, &rows, &len);

	result->are_many = true;
	for (size_t i = 0; i < len && err == OK; i++)
		if (!app || strcmp(rows[i].app, app) == 0)
			err = close_subject(d, rows[i].subject, by, note, result);
	entry_rows_free(rows, len);
	return err;
}

void resolve_result_finish(struct resolve_result *result)
{
	free(result->what);
	*result = (struct resolve_result){0};
}

/* ---- after resolve_after ---- */

/* All limits of the config as a text, to notice that one changed. */
static void limits_write(const struct config *config, struct buf *text)
{
	for (size_t i = 0; i < config->apps_len; i++)
		if (config->apps[i].resolve_after_ms >= 0)
			buf_printf(text, "app %s %" PRId64 "\n", config->apps[i].name,
			        config->apps[i].resolve_after_ms);
	for (size_t i = 0; i < config->kinds_len; i++)
		if (config->kinds[i].resolve_after_ms > 0)
			buf_printf(text, "kind %s %" PRId64 "\n", config->kinds[i].name,
			        config->kinds[i].resolve_after_ms);
}

/* Entries are due as the limits were when they began. After a change of these, all that fire are
 * looked at once. */
static enum err resolve_follow_limits(const struct deliver *d)
{
	char *known = NULL;
	struct buf limits;
	enum err err = state_get(d->store, "resolve.limits", &known);

	if (err == ERR_NOT_FOUND)
		err = OK;
	buf_init(&limits, LIMITS_MAX);
	limits_write(d->config, &limits);
	if (err == OK && strcmp(known ? known : "", buf_str(&limits)) != 0) {
		err = entries_set_all_due(d->store, d->now_ms);
		if (err == OK)
			err = state_set(d->store, "resolve.limits", buf_str(&limits));
	}
	buf_finish(&limits);
	free(known);
	return err;
}

static enum err resolve_overdue(
        const struct deliver *d, struct entry_row *entry, struct resolve_result *result)
{
	int64_t limit_ms = config_resolve_after_ms(d->config, entry->app, entry->kind);
	bool over = limit_ms > 0 && d->now_ms - entry->last_ms >= limit_ms;
	enum err err;

	entry->due_ms = limit_ms > 0 ? (over ? d->now_ms : entry->last_ms) + limit_ms : 0;
	err = entries_update(d->store, entry);
	if (err == OK && over)
		err = close_subject(d, entry->subject, "resolve_after", NULL, result);
	return err;
}

enum err resolve_due(const struct deliver *d)
{
	struct resolve_result result = {0};
	struct entry_row *rows = NULL;
	size_t len = 0;
	enum err err = resolve_follow_limits(d);

	if (err == OK)
		err = entries_due(d->store, d->now_ms, OPEN_MAX, &rows, &len);
	for (size_t i = 0; i < len && err == OK; i++)
		err = resolve_overdue(d, &rows[i], &result);
	entry_rows_free(rows, len);
	resolve_result_finish(&result);
	return err;
}

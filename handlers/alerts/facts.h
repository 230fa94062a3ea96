/*
 * facts.h - what templates and matchers may ask of an alert, by name: the one place that says what
 * `app`, `key`, `status`, … and fields mean, for an alert that has just come and for a stored one
 * alike. Pure.
 */
#pragma once

#include "handlers/alerts/alert.h"
#include "storage/alerts.h"
#include "storage/messages.h"

/* Borrows from the alert or row it was made of. */
struct facts {
	const char *app, *kind, *run_id, *id, *key, *url, *title, *text; /* NULL when absent */
	enum severity severity;
	bool resolved;
	int64_t at_ms;
	const json_t *fields;
	json_t *loaded[2]; /* owned: what was read from the row's columns */
	json_t *texts;     /* owned: values that were asked for, null = there is none; or NULL */
};

/* url: the link that is shown, or NULL. */
void facts_of_alert(struct facts *facts, const struct alert *alert, const char *url);
void facts_of_row(struct facts *facts, const struct alert_row *row);
/* Of the newest alert in it. */
void facts_of_entry(struct facts *facts, const struct entry_row *row);
void facts_finish(struct facts *facts);

/* The value of a common key or field as text, owned by the caller; NULL when there is none. */
char *facts_value(const struct facts *facts, const char *name);

/* The same as a matcher_value_fn, worked out once; arg is a struct facts. */
const char *facts_text(const char *name, void *arg);

/*
 * facts.h - the values that templates and matchers can refer to by name: the one place that defines
 * `app`, `key`, `status`, … and fields, for new and for stored alerts. Pure.
 */
#pragma once

#include "handlers/alerts/alert.h"
#include "storage/alerts.h"
#include "storage/messages.h"

/* Borrows from the alert or row that it was made from. */
struct facts {
	const char *app, *kind, *run_id, *id, *key, *url, *title, *text, *identity; /* NULL when
	                                                                                absent */
	enum severity severity;
	bool resolved;
	int64_t at_ms;
	const json_t *fields;
	json_t *loaded[2]; /* owned: parsed from the row's columns */
	json_t *texts;     /* owned: cache of facts_text(), null = no value; or NULL */
};

/* url: the link that is shown, or NULL. */
void facts_of_alert(struct facts *facts, const struct alert *alert, const char *url);
void facts_of_row(struct facts *facts, const struct alert_row *row);
/* Facts about the newest alert of the entry. */
void facts_of_entry(struct facts *facts, const struct entry_row *row);
void facts_finish(struct facts *facts);

/* The value of a common key or field as text, owned by the caller; NULL when there is none. */
char *facts_value(const struct facts *facts, const char *name);

/* Like facts_value(), as a matcher_value_fn: the result is cached until facts_finish(). What is
 * missing is looked for as a label of Alertmanager's API: alertname is what failed, and a label
 * stands for the field that becomes it (matcher_label()). arg is a struct facts. */
const char *facts_text(const char *name, void *arg);

/*
 * expire.c - see expire.h.
 */
#include "handlers/alerts/expire.h"

#include <stdlib.h>
#include "bot/base/alloc.h"
#include "storage/expiries.h"

#define EXPIRE_MAX 500 /* expiries handled in one call */

/* How long after it was received the alert ends. */
static int64_t expire_lasts_ms(const struct deliver *d, const struct alert *alert)
{
	int64_t lasts_ms = alert->ends_ms - d->now_ms;

	return lasts_ms < EXPIRIES_LASTS_MAX_MS ? lasts_ms : EXPIRIES_LASTS_MAX_MS;
}

enum err expire_look(const struct deliver *d, const struct alert *alert, int64_t *first)
{
	struct expiry_row row = {0};
	enum err err;

	*first = 0;
	/* After a person resolved it the expiry stays: copies from the sender are duplicates. */
	if (alert->resolved)
		return alert->resolved_by ? OK : expiries_delete(d->store, alert->subject);
	if (!alert->ends_ms)
		return OK;
	err = expiries_by_subject(d->store, alert->subject, &row);
	if (err == OK) {
		*first = row.id;
		err = expiries_extend(
		        d->store, alert->subject, alert->ends_ms, expire_lasts_ms(d, alert));
	}
	expiry_row_finish(&row);
	return err == ERR_NOT_FOUND ? OK : err;
}

enum err expire_note(const struct deliver *d, const struct alert *alert, int64_t id)
{
	const struct expiry_row row = {
	        .id = id,
	        .subject = alert->subject,
	        .ends_ms = alert->ends_ms,
	        .lasts_ms = expire_lasts_ms(d, alert),
	};

	return alert->ends_ms ? expiries_insert(d->store, &row) : OK;
}

/* Accepts a resolved alert, as if the sender had sent it. */
static enum err expire_one(const struct deliver *d, const struct expiry_row *row)
{
	struct alert_row first = {0};
	struct deliver_receipt receipt;
	struct alert *alert = NULL;
	enum err err = alerts_by_id(d->store, row->id, &first);

	if (err == OK) {
		alert = deliver_stored_alert(&first);
		free(alert->id);
		alert->id = NULL;
		alert->resolved = true;
		alert->at_ms = row->ends_ms;
		err = deliver_accept(d, alert, &receipt);
		alert_destroy(alert);
	}
	alert_row_finish(&first);
	/* without a readable alert the expiry cannot be applied, and it would be due for ever */
	return err == ERR_NOT_FOUND || err == ERR_DAMAGED ? expiries_delete(d->store, row->subject)
	                                                  : err;
}

enum err expire_due(const struct deliver *d, int64_t started_ms)
{
	struct expiry_row *rows = NULL;
	size_t len = 0;
	enum err err = started_ms ? expiries_grace(d->store, started_ms) : OK;

	if (err == OK)
		err = expiries_due(d->store, d->now_ms, EXPIRE_MAX, &rows, &len);
	for (size_t i = 0; i < len && err == OK; i++)
		err = expire_one(d, &rows[i]);
	expiry_rows_free(rows, len);
	return err;
}

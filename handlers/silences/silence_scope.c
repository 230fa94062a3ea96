/*
 * silence_scope.c - see silence_scope.h.
 */
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/text.h"
#include "handlers/silences/silence_scope.h"

#define LOOK_MAX 1000 /* alerts of the last day, and firing entries, that are compared */
#define OPEN_MS (7 * CLOCK_DAY_MS)
#define NAME_MAX_BYTES 1024

/* An alert that may come in the future. */
struct imagined {
	const char *severity;
	const char *text; /* the value of all other names */
	bool is_app;      /* the value is valid as an app's name */
};

static const char *imagined_value(const char *name, void *arg)
{
	const struct imagined *imagined = arg;

	if (strcmp(name, "severity") == 0)
		return imagined->severity;
	if (strcmp(name, "status") == 0)
		return "firing"; /* only firing alerts are held */
	/* an app's name has a limited set of characters */
	return strcmp(name, "app") == 0 && !imagined->is_app ? "x.y-z" : imagined->text;
}

/* All matchers must match, and each is about one name. So it is enough to try for every name
 * each value that it can have, or texts with nothing in common if it can have any. */
static bool means_the_imagined(const struct matchers *matchers)
{
	static const struct {
		const char *text;
		bool is_app;
	} texts[] = {{"", false}, {"x.y-z", true}, {"Q_7", true}, {"0", true}, {"n/a ☃ Ü", false}};

	for (int severity = 0; severity < SEVERITY_COUNT; severity++)
		for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
			struct imagined imagined = {severity_name((enum severity)severity),
			        texts[i].text, texts[i].is_app};

			if (matchers_match(matchers, imagined_value, &imagined) != MATCH_YES)
				return false;
		}
	return true;
}

/* Counts the existing alerts that match. */
static void scope_compare(struct silence_scope *scope, const struct matchers *matchers,
        struct facts *facts, bool *means)
{
	enum match match = scope->limit ? MATCH_LIMIT : matchers_match(matchers, facts_text, facts);

	*means = match == MATCH_YES;
	if (match == MATCH_LIMIT)
		scope->limit = true;
	if (!*means)
		scope->all = false;
	facts_finish(facts);
}

static char *scope_name(const struct entry_row *row)
{
	struct buf name;

	buf_init(&name, NAME_MAX_BYTES);
	text_add_plain(&name, row->app, 64, TEXT_FOLD_NEWLINES);
	buf_add_str(&name, " · ");
	text_add_plain(&name, row->identity, 80, TEXT_FOLD_NEWLINES);
	return buf_take(&name);
}

static enum err scope_firing(struct store *store, const struct matchers *matchers, int64_t now_ms,
        struct silence_scope *scope)
{
	struct entry_row *rows = NULL;
	size_t len = 0;
	enum err err = entries_open(store, now_ms - OPEN_MS, LOOK_MAX, &rows, &len);

	for (size_t i = 0; i < len; i++) {
		struct facts facts;
		bool means;

		facts_of_entry(&facts, &rows[i]);
		scope_compare(scope, matchers, &facts, &means);
		if (means && scope->firing++ < SILENCE_SCOPE_NAMES)
			scope->names[scope->firing - 1] = scope_name(&rows[i]);
	}
	entry_rows_free(rows, len);
	return err;
}

static enum err scope_last_day(struct store *store, const struct matchers *matchers, int64_t now_ms,
        struct silence_scope *scope)
{
	struct alert_row *rows = NULL;
	size_t len = 0, recent = 0;
	enum err err = alerts_list(store, NULL, LOOK_MAX, &rows, &len);

	for (size_t i = 0; i < len; i++) {
		struct facts facts;
		bool means;

		if (rows[i].received_ms > now_ms - CLOCK_DAY_MS && !rows[i].resolved) {
			facts_of_row(&facts, &rows[i]);
			scope_compare(scope, matchers, &facts, &means);
			scope->last_day += means;
			recent++;
		}
	}
	alert_rows_free(rows, len);
	scope->last_day_cut = recent == LOOK_MAX;
	return err;
}

enum err silence_scope(struct store *store, const struct matchers *matchers, int64_t now_ms,
        struct silence_scope *scope)
{
	enum err err;

	*scope = (struct silence_scope){.all = means_the_imagined(matchers)};
	err = scope_firing(store, matchers, now_ms, scope);
	return err == OK ? scope_last_day(store, matchers, now_ms, scope) : err;
}

void silence_scope_finish(struct silence_scope *scope)
{
	for (size_t i = 0; i < SILENCE_SCOPE_NAMES; i++)
		free(scope->names[i]);
}

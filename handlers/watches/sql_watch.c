/*
 * sql_watch.c - the pure part of sql_watch.h.
 */
#include "handlers/watches/sql_watch.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/text.h"

#define FIRST_MS CLOCK_SECOND_MS        /* after the start */
#define SPREAD_MS (7 * CLOCK_SECOND_MS) /* all first runs are due within this time */
#define RETRY_MS CLOCK_MINUTE_MS        /* after a failure */
#define SHOW_MS CLOCK_MINUTE_MS         /* between two edits of a message */
#define HELD_MS (5 * CLOCK_MINUTE_MS)   /* between two tries while silenced */
#define FIELD_POINTS 1000               /* code points of a field */
#define TEXT_POINTS 2000                /* code points of the text made from columns */
#define PIECE_POINTS 200                /* code points of a column in it, and of a title */

/* --- the list ------------------------------------------------------------------------------- */

static struct sql_watch *sql_watch_list_add(struct sql_watch **list, size_t *len)
{
	*list = x_realloc(*list, (*len + 1) * sizeof(**list));
	memset(&(*list)[*len], 0, sizeof(**list));
	return &(*list)[(*len)++];
}

static void add_builtin(const struct config *config, struct sql_watch **list, size_t *len,
        const char *kind, const char *sql, const char *key, double threshold, int64_t window_ms)
{
	struct sql_watch *watch;

	if (!config->call_monitor.database || strcmp(sql, "off") == 0)
		return;
	watch = sql_watch_list_add(list, len);
	/* contains a blank, so it cannot be the name of a section */
	watch->name = x_asprintf("call_monitor %s", kind);
	watch->app = "call_monitor";
	watch->kind = kind;
	watch->database = config->call_monitor.database;
	watch->sql = sql;
	watch->key = key;
	watch->every_ms = config->call_monitor.every_ms;
	watch->repeat_ms = config->call_monitor.repeat_ms;
	watch->threshold = threshold;
	watch->window_ms = window_ms;
}

void sql_watch_list(const struct config *config, struct sql_watch **list, size_t *len)
{
	*list = NULL;
	*len = 0;
	add_builtin(config, list, len, "violations", config->call_monitor.violations_sql,
	        "[call_monitor] violations_sql", config->call_monitor.violations_threshold,
	        CLOCK_DAY_MS);
	add_builtin(config, list, len, "error_rate", config->call_monitor.error_rate_sql,
	        "[call_monitor] error_rate_sql", config->call_monitor.error_rate_threshold,
	        7 * CLOCK_DAY_MS);
	for (size_t i = 0; i < config->watches_len; i++) {
		const struct config_watch *from = &config->watches[i];
		struct sql_watch *watch = sql_watch_list_add(list, len);

		watch->name = x_strdup(from->name);
		watch->app = from->name;
		watch->kind = from->kind;
		watch->database = from->database;
		watch->sql = from->sql;
		watch->severity = severity_name(from->severity);
		watch->key = "sql of its section";
		watch->every_ms = from->every_ms;
		watch->repeat_ms = from->repeat_ms;
	}
}

void sql_watch_list_free(struct sql_watch *list, size_t len)
{
	for (size_t i = 0; i < len; i++)
		free(list[i].name);
	free(list);
}

struct query_ask sql_watch_ask(const struct sql_watch *watch, int64_t now_ms)
{
	struct query_ask ask = {
	        .database = watch->database,
	        .sql = watch->sql,
	        .limit_ms = QUERY_LIMIT_MS,
	};
	int64_t since_ms = now_ms - watch->window_ms, since_s = since_ms / CLOCK_SECOND_MS;

	if (watch->window_ms > 0) {
		ask.params[0] = (struct query_param){":threshold", watch->threshold};
		ask.params[1] = (struct query_param){":since_ms", (double)since_ms};
		ask.params[2] = (struct query_param){":since_s", (double)since_s};
		ask.params_len = 3;
	}
	return ask;
}

/* --- when ----------------------------------------------------------------------------------- */

int64_t sql_watch_first_ms(size_t place, size_t len, int64_t now_ms)
{
	return now_ms + FIRST_MS + (len > 0 ? SPREAD_MS * (int64_t)place / (int64_t)len : 0);
}

int64_t sql_watch_due_ms(const struct sql_watch_times *times, int64_t every_ms, int64_t now_ms)
{
	int64_t wait_ms = times->failed && every_ms > RETRY_MS ? RETRY_MS : every_ms;

	/* If the clock was set back since the start, the first run does not wait for it. */
	if (times->last_ms == 0)
		return times->first_ms > now_ms + FIRST_MS + SPREAD_MS ? now_ms : times->first_ms;
	if (times->last_ms > now_ms)
		return now_ms;
	return times->last_ms + wait_ms;
}

/* --- a row as an alert ---------------------------------------------------------------------- */

/* A value as JSON; NULL for an SQL NULL. */
static json_t *value_json(const struct query_value *value)
{
	struct buf text;
	json_t *json = NULL;

	switch (value->type) {
	case QUERY_NULL:
		return NULL;
	case QUERY_INT:
		return json_integer(value->integer);
	case QUERY_REAL: /* JSON has no infinity */
		return isfinite(value->real) ? json_real(value->real)
		                             : json_string(value->real > 0 ? "inf" : "-inf");
	case QUERY_BLOB:
		return json_sprintf("(%" PRId64 " bytes)", value->integer);
	case QUERY_TEXT:
		buf_init(&text, QUERY_TEXT_MAX * 4);
		text_add_plain(&text, value->text, FIELD_POINTS, TEXT_KEEP_NEWLINES);
		json = json_string(buf_str(&text));
		buf_finish(&text);
	}
	return json;
}

/* Columns that become common keys of the alert, with their maximum length in code points. */
static const struct {
	const char *name;
	size_t max_points;
} own[] = {
        {"app", ALERT_APP_MAX + 1}, /* one more: an overlong name is reported, not cut */
        {"kind", ALERT_NAME_MAX + 1},
        {"severity", 32},
        {"run_id", ALERT_NAME_MAX},
        {"title", PIECE_POINTS},
        {"text", TEXT_POINTS},
        {"key", ALERT_NAME_MAX},
        {"url", ALERT_URL_MAX + 1},
};

static size_t own_points(const char *name)
{
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (strcmp(own[i].name, name) == 0)
			return own[i].max_points;
	return 0;
}

/* A value as a text of at most max_points code points. */
static json_t *cut_json(const json_t *value, size_t max_points)
{
	char *text = alert_scalar_text(value);
	struct buf cut;
	json_t *json;

	buf_init(&cut, QUERY_TEXT_MAX * 4);
	text_add_plain(&cut, text, max_points, TEXT_KEEP_NEWLINES);
	json = json_string(buf_str(&cut));
	buf_finish(&cut);
	free(text);
	return json;
}

static void take_column(json_t *request, const char *name, const struct query_value *value)
{
	json_t *fields = json_object_get(request, "fields"), *json = value_json(value);
	size_t points = own_points(name);
	struct buf cut;

	if (!json)
		return;
	if (points > 0) {
		json_t *text = cut_json(json, points);

		if (*json_string_value(text)) /* "" counts as absent, as on the socket */
			json_object_set(request, name, text);
		json_decref(text);
		json_decref(json);
		return;
	}
	buf_init(&cut, QUERY_TEXT_MAX * 4);
	text_add_plain(&cut, *name ? name : "?", ALERT_NAME_MAX, TEXT_FOLD_NEWLINES);
	json_object_set_new(fields, buf_str(&cut), json);
	buf_finish(&cut);
}

static bool known_by_title(const struct config *config, const char *kind_name)
{
	const struct config_kind *kind = config_kind(config, kind_name);

	for (size_t i = 0; kind && kind->identity[i]; i++)
		if (strcmp(kind->identity[i], "title") == 0)
			return true;
	return !kind;
}

/* Makes the title and text from the columns. */
static void sql_watch_add_words(json_t *request, const struct sql_watch *watch)
{
	json_t *fields = json_object_get(request, "fields"), *value;
	struct buf title, text;
	const char *name;
	bool first = true;

	buf_init(&title, QUERY_TEXT_MAX * 4);
	buf_init(&text, TEXT_POINTS * 4);
	text_add_plain(&title, watch->name, PIECE_POINTS, TEXT_FOLD_NEWLINES);
	json_object_foreach(fields, name, value)
	{
		char *piece = alert_scalar_text(value);

		if (first) {
			buf_add_str(&title, ": ");
			text_add_plain(&title, piece, PIECE_POINTS, TEXT_FOLD_NEWLINES);
		} else {
			buf_add_str(&text, text.len > 0 ? ", " : "");
			text_add_plain(&text, name, ALERT_NAME_MAX, TEXT_FOLD_NEWLINES);
			buf_add_str(&text, ": ");
			text_add_plain(&text, piece, PIECE_POINTS, TEXT_FOLD_NEWLINES);
		}
		first = false;
		free(piece);
	}
	json_object_set_new(request, "title", json_string(buf_str(&title)));
	if (text.len > 0)
		json_object_set_new(request, "text", json_string(buf_str(&text)));
	buf_finish(&title);
	buf_finish(&text);
}

json_t *sql_watch_request(const struct config *config, const struct sql_watch *watch,
        const struct query_rows *rows, size_t row)
{
	json_t *request = json_pack("{s:s, s:s, s:s*, s:{}}", "app", watch->app, "kind",
	        watch->kind, "severity", watch->severity, "fields");

	for (size_t i = 0; i < rows->columns; i++)
		take_column(request, rows->names[i], &rows->values[row * rows->columns + i]);
	if (!json_object_get(request, "title") && !json_object_get(request, "text") &&
	        known_by_title(config, json_string_value(json_object_get(request, "kind"))))
		sql_watch_add_words(request, watch);
	return request;
}

const char *sql_watch_fix(enum err err)
{
	switch (err) {
	case ERR_NOT_FOUND:
	case ERR_INVALID:
		return "correct the database's path, or adapt the query to its tables and columns";
	case ERR_DENIED:
		return "write one SELECT, and let the bot's user read the file and its folder";
	case ERR_TIMEOUT:
		return "make the query cheaper: an index, fewer rows";
	case ERR_TOO_LARGE:
		return "select fewer bytes";
	case ERR_BUSY:
		return "tried again within a minute; if it stays, find the program that locks it";
	case ERR_CORRUPT:
		return "check that it is an SQLite database, and intact: PRAGMA integrity_check";
	default:
		return "see the log";
	}
}

json_t *sql_watch_fault_request(const struct sql_watch *watch, enum err err, const char *text)
{
	struct buf title;
	json_t *request;
	char *key = x_asprintf("watch %s", watch->name);
	char *fix = x_asprintf("%s (%s)", sql_watch_fix(err), watch->key);

	buf_init(&title, 4096);
	buf_printf(&title, "%s: ", key);
	text_add_plain(&title, text, 400, TEXT_FOLD_NEWLINES);
	request = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:{s:s}}", "app", SQL_WATCH_APP, "kind",
	        "message", "severity", "warning", "key", key, "title", buf_str(&title), "text", fix,
	        "fields", "watch", watch->name);
	buf_finish(&title);
	free(key);
	free(fix);
	return request;
}

/* --- what to do with a row -------------------------------------------------------------------- */

/* Also true when the clock was set back. */
static bool sql_watch_is_over(int64_t from_ms, int64_t wait_ms, int64_t now_ms)
{
	return now_ms - from_ms >= wait_ms || now_ms < from_ms;
}

enum sql_watch_action sql_watch_decide(
        const struct sql_watch_row *known, const struct sql_watch_seen *seen)
{
	if (!known || known->severity != (int)seen->severity)
		return SQL_WATCH_FIRE;
	if (known->told_ms == 0)
		return sql_watch_is_over(known->tried_ms, HELD_MS, seen->now_ms)
		               ? SQL_WATCH_FIRE
		               : SQL_WATCH_NOTHING;
	if (seen->repeat_ms > 0 && !seen->acked &&
	        sql_watch_is_over(known->told_ms, seen->repeat_ms, seen->now_ms))
		return seen->severity == SEVERITY_CRITICAL && seen->reminded ? SQL_WATCH_TOUCH
		                                                             : SQL_WATCH_FIRE;
	return seen->changed && sql_watch_is_over(known->shown_ms, SHOW_MS, seen->now_ms)
	               ? SQL_WATCH_REFRESH
	               : SQL_WATCH_NOTHING;
}

/*
 * sql_watch.h - the SQL watches: which there are, when each is due, what a row of theirs is as an
 * alert, and what becomes of it. The daemon's side is bot/schedule/sql_watches.h.
 *
 * What a row is about (the subject of its alert) fires once. While the watch goes on returning
 * it, it is told again only after `repeat` (not while somebody has acked it; a critical one is
 * brought up by [commands] remind already), or with another severity; new details bring its
 * message up to date by an edit, at most one a minute. A subject that is not returned any more is
 * resolved, and so is one whose watch is gone from the config. A watch that fails is an alert of
 * the bot's own, resolved when the watch works again; what it had found stays as it was.
 */
#pragma once

#include "handlers/alerts/deliver.h"
#include "storage/query.h"
#include "storage/sql_watch_rows.h"

#define SQL_WATCH_APP "matrix-telemetry-bot" /* of the alerts about watches that fail */
#define SQL_WATCH_FIRING_MAX 200             /* subjects of a watch that fire at a time */

struct sql_watch {
	char *name; /* owned; of [watch NAME], or "call_monitor violations" and the like */
	/* the rest is borrowed from the config */
	const char *app, *kind, *database, *sql;
	const char *severity; /* NULL = that of the kind */
	const char *key;      /* which key changes the query, for people */
	int64_t every_ms, repeat_ms;
	double threshold;
	int64_t window_ms; /* how far back :since_ms is; 0 = no parameters */
};

/* All watches of a config; *list is an array the caller frees by sql_watch_list_free(). */
void sql_watch_list(const struct config *config, struct sql_watch **list, size_t *len);
void sql_watch_list_free(struct sql_watch *list, size_t len);

/* What is to be asked at a time. Borrows from the watch. */
struct query_ask sql_watch_ask(const struct sql_watch *watch, int64_t now_ms);

/* --- when ----------------------------------------------------------------------------------- */

struct sql_watch_times {
	int64_t first_ms; /* when the first run is due */
	int64_t last_ms;  /* when the last one began; 0 = none yet */
	bool failed;      /* that one */
};

/* The first run of the watch at a place among `len` that begin to be looked at at now_ms: within
 * seconds, and not all at once. */
int64_t sql_watch_first_ms(size_t place, size_t len, int64_t now_ms);
/* When it is due next; at most now_ms when it is due. A failed one is tried again within a
 * minute; a clock that was set back makes it due. */
int64_t sql_watch_due_ms(const struct sql_watch_times *times, int64_t every_ms, int64_t now_ms);

/* --- what ----------------------------------------------------------------------------------- */

/*
 * A row as the request of an alert; a new reference. NULL columns are left out, a
 * blob is told by its size. A row without title and text whose kind is known by its title gets
 * "NAME: first column" for a title, and the other columns for a text.
 */
json_t *sql_watch_request(const struct config *config, const struct sql_watch *watch,
        const struct query_rows *rows, size_t row);

/* The same for a watch that failed. */
json_t *sql_watch_fault_request(const struct sql_watch *watch, enum err code, const char *text);

/* What an operator can do about it. */
const char *sql_watch_fix(enum err code);

enum sql_watch_action {
	SQL_WATCH_NOTHING,
	SQL_WATCH_FIRE,    /* hand it in */
	SQL_WATCH_REFRESH, /* bring its message up to date */
	SQL_WATCH_TOUCH,   /* the same, and it counts as having happened again */
};

struct sql_watch_seen {
	enum severity severity;
	bool changed; /* other details than before */
	bool acked;   /* somebody takes care of it */
	int64_t now_ms;
	int64_t repeat_ms; /* 0 = never */
	bool reminded;     /* criticals that nobody acked are brought up by themselves */
};

/* known: NULL when it was not firing. */
enum sql_watch_action sql_watch_decide(
        const struct sql_watch_row *known, const struct sql_watch_seen *seen);

/* --- doing it: inside writer jobs ----------------------------------------------------------- */

struct sql_watch_result {
	enum err code; /* of query_run() */
	const char *fault;
	const struct query_rows *rows;
};

struct sql_watch_report {
	json_t *events;    /* array: what subscribers are told (report_taken()); owned */
	size_t firing;     /* subjects */
	char problem[256]; /* of the watch, "" = none */
};

void sql_watch_report_finish(struct sql_watch_report *report);

/* Takes note of a run. *report is zeroed by the caller and filled. */
enum err sql_watch_apply(const struct deliver *d, const struct sql_watch *watch,
        const struct sql_watch_result *result, struct sql_watch_report *report);

/* Resolves what watches left that are not in the list. */
enum err sql_watch_forget(const struct deliver *d, const struct sql_watch *list, size_t len,
        struct sql_watch_report *report);

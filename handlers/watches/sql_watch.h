/*
 * sql_watch.h - SQL watches: which there are, when each is due, how a row becomes an alert, and
 * what is done with it. The daemon's side is bot/schedule/sql_watches.h.
 *
 * What a row is about (the subject of its alert) fires once. While the watch keeps returning it,
 * another alert is raised only after `repeat` (not while it is acknowledged; a critical one has
 * [commands] remind instead), or with another severity; changed details are shown by an edit of its
 * message, at most one a minute. A subject that is no longer returned is resolved, and so is one
 * whose watch was removed from the config. A watch that fails raises an alert of the bot's own,
 * which is resolved when the watch works again; what it had found stays firing in the meantime.
 */
#pragma once

#include "handlers/alerts/deliver.h"
#include "storage/query.h"
#include "storage/sql_watch_rows.h"

#define SQL_WATCH_APP "matrix-telemetry-bot" /* app of the alerts about failing watches */
#define SQL_WATCH_FIRING_MAX 200             /* firing subjects of one watch */

struct sql_watch {
	char *name; /* owned; that of [watch NAME], or "call_monitor violations" and the like */
	/* the rest is borrowed from the config */
	const char *app, *kind, *database, *sql;
	const char *severity; /* NULL = that of the kind */
	const char *key;      /* the config key that has the query, for people */
	int64_t every_ms, repeat_ms;
	double threshold;
	int64_t window_ms; /* how far back :since_ms is; 0 = the query has no parameters */
};

/* All watches of a config; free *list with sql_watch_list_free(). */
void sql_watch_list(const struct config *config, struct sql_watch **list, size_t *len);
void sql_watch_list_free(struct sql_watch *list, size_t len);

/* The query to run at a time. Borrows from the watch. */
struct query_ask sql_watch_ask(const struct sql_watch *watch, int64_t now_ms);

/* --- when ----------------------------------------------------------------------------------- */

struct sql_watch_times {
	int64_t first_ms; /* when the first run is due */
	int64_t last_ms;  /* when the last one began; 0 = none yet */
	bool failed;      /* the last run failed */
};

/* When a watch runs first, after len watches were started at now_ms: within seconds, spread by
 * place (0 to len - 1). */
int64_t sql_watch_first_ms(size_t place, size_t len, int64_t now_ms);
/* When the watch is due next; at most now_ms when it is due now. A failed one is due again
 * within a minute; one whose last run is in the future (clock set back) is due now. */
int64_t sql_watch_due_ms(const struct sql_watch_times *times, int64_t every_ms, int64_t now_ms);

/* --- what ----------------------------------------------------------------------------------- */

/*
 * Turns a row into a request for an alert; a new reference. NULL columns are left out, a blob is
 * replaced by its size. If the row has no title and text and its kind is identified by its title,
 * the title is "NAME: first column" and the text has the other columns.
 */
json_t *sql_watch_request(const struct config *config, const struct sql_watch *watch,
        const struct query_rows *rows, size_t row);

/* The same for an alert about a watch that failed. */
json_t *sql_watch_fault_request(const struct sql_watch *watch, enum err code, const char *text);

/* What an operator can do about an error. */
const char *sql_watch_fix(enum err code);

enum sql_watch_action {
	SQL_WATCH_NOTHING,
	SQL_WATCH_FIRE,    /* raise an alert */
	SQL_WATCH_REFRESH, /* edit its message */
	SQL_WATCH_TOUCH,   /* edit its message, and count it as having happened again */
};

struct sql_watch_seen {
	enum severity severity;
	bool changed; /* the details differ from those before */
	bool acked;   /* it is acknowledged */
	int64_t now_ms;
	int64_t repeat_ms; /* 0 = never */
	bool reminded;     /* reminders are on, so critical failures need no repetition */
};

/* What to do with a row. known: the stored state of its subject; NULL when it was not firing. */
enum sql_watch_action sql_watch_decide(
        const struct sql_watch_row *known, const struct sql_watch_seen *seen);

/* --- doing it: inside writer jobs ----------------------------------------------------------- */

struct sql_watch_result {
	enum err code; /* of query_run() */
	const char *fault;
	const struct query_rows *rows;
};

struct sql_watch_report {
	json_t *events;    /* array of events for subscribers (report_taken()); owned */
	bool edited;       /* a message is due for an edit, with or without an event */
	size_t firing;     /* firing subjects */
	char problem[256]; /* of the watch, "" = none */
};

void sql_watch_report_finish(struct sql_watch_report *report);

/* Applies the result of a run: costs a comparison of each row of the result with each of the
 * subjects that fire, at most SQL_WATCH_FIRING_MAX. *report is zeroed by the caller and filled in.
 */
enum err sql_watch_apply(const struct deliver *d, const struct sql_watch *watch,
        const struct sql_watch_result *result, struct sql_watch_report *report);

/* Resolves what watches found that are no longer in the list. */
enum err sql_watch_forget(const struct deliver *d, const struct sql_watch *list, size_t len,
        struct sql_watch_report *report);

/*
 * words.h - builds everything that people read in a room from our own words and escaped values, as
 * plain text (`body`) and HTML (`formatted_body`) at the same time.
 *
 * How to use it:
 *
 *	struct words w;
 *
 *	words_init(&w);
 *	words_say(&w, "🚨 ");                    // our words, printf-like; never an app's text
 *	words_bold(&w, true);                    // the first line is the headline
 *	words_name(&w, app, 64);                 // a value: plain if harmless, else in <code>
 *	words_say(&w, " · ");
 *	words_name(&w, node, 100);
 *	words_say(&w, " FAILED");
 *	words_bold(&w, false);
 *	words_break(&w);                         // a new line
 *	words_list(&w, 10, "!alerts");           // shows ten, then "+N more: !alerts"
 *	for (…) {
 *		words_item(&w);                  // once for each entry
 *		words_code(&w, run_id, 64);      // a value that always stands in <code>
 *	}
 *	words_list_end(&w);
 *	words_fit(&w, budget, false);            // shortens lists until it fits
 *	content = words_content(&w, "m.notice"); // with m.mentions; ready for deliver_post()
 *	words_finish(&w);
 *
 * For the command line and the log, words_body() gives the plain text alone.
 *
 * The builder ensures for all callers:
 * - Everything is escaped, our own words too. A value is made neutral (bot/base/text.h) and folded
 *   to one line, and stands in <code> unless it consists of letters, digits, blanks, `_` and `-`:
 *   nothing that an app wrote becomes a link, a pill or a style.
 * - m.mentions is always set, and has only the users of words_mention().
 * - Times are "09:00 CET", with the day when it is not today; durations have two units at most.
 * - What does not fit is left out of lists first, then from the last line upwards; the headline
 *   always stays.
 *
 * Bold, struck and links end on the line on which they begin.
 */
#pragma once

#include <jansson.h>
#include <stdarg.h>
#include "bot/base/buf.h"
#include "bot/base/severity.h"

#define WORDS_LIST_MAX 10    /* entries that a list shows by default */
#define WORDS_RUNS_MAX 3     /* run ids that are shown */
#define WORDS_NAME_POINTS 64 /* code points of names of apps, rooms, users and runs */
#define WORDS_WHAT_POINTS 200
#define WORDS_ERROR_POINTS 200 /* the first 60 and the last 140 */

/* A line, or an entry of a list, in both forms. */
struct words_line {
	struct buf body, html;
	int list; /* 0 = not an entry, else the number of its list */
};

struct words_list {
	size_t max;    /* entries to show */
	size_t shown;  /* entries among the lines */
	size_t hidden; /* entries left out */
	char *all;     /* the command that shows all of them, or NULL */
};

/* Initialized by words_init(); the members are private to the builder. */
struct words {
	struct words_line *lines;
	size_t len, cap;
	struct words_list *lists;
	size_t lists_len;
	struct words_line dropped; /* receives the text of entries that a list does not show */
	struct words_line *at;     /* the line that is written to */
	bool ended;                /* a line or list has ended: the next text begins a line */
	bool cut;                  /* lines were left out at the end */
	const char *url;           /* of the open link; borrowed */
	char *owned_url;
	json_t *users; /* users to mention */
	bool room;     /* mention the whole room */
};

void words_init(struct words *words);
void words_finish(struct words *words);

/* --- our own words ------------------------------------------------------------------------ */

/* Adds our own words, printf-like. Text between two backticks of the format is a command and
 * gets <code>; the plain text has no backticks. If a value has a backtick, no command is marked. */
void words_say(struct words *words, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same without a format. */
void words_marked(struct words *words, const char *text);
/* Like words_say(), but \n begins a new line. */
void words_lines(struct words *words, const char *format, ...)
        __attribute__((format(printf, 2, 3)));
void words_vlines(struct words *words, const char *format, va_list args)
        __attribute__((format(printf, 2, 0)));
void words_bold(struct words *words, bool on);
void words_struck(struct words *words, bool on); /* for what is resolved */
void words_break(struct words *words);           /* the next words begin a line */
/* Adds a command to type, in <code>; "%s" may be a value. */
void words_command(struct words *words, const char *format, ...)
        __attribute__((format(printf, 2, 3)));
/* Adds both forms without escaping: only for an operator's HTML template. */
void words_raw(struct words *words, const char *body, const char *html);
/* Adds "1 alert" or "3 alerts": one is used for 1, many for all other numbers. */
void words_count(struct words *words, int64_t number, const char *one, const char *many);
/* Adds "24 critical, 3 warning" from counts by severity, without zeros; or "no alerts". */
void words_counts(struct words *words, const int64_t counts[SEVERITY_COUNT]);
void words_when(struct words *words, int64_t ms, int64_t now_ms); /* now_ms 0: with the day */
void words_duration(struct words *words, int64_t ms);

/* --- values ------------------------------------------------------------------------------- */

/* Plain if the text consists of letters, digits, blanks, `_` and `-`, else in <code>. NULL
 * counts as "". */
void words_name(struct words *words, const char *text, size_t max_points);
/* What failed: names joined by " / ", each of them as in words_name(). */
void words_what(struct words *words, const char *identity);
/* "app · what failed" in one text: an app's name cannot contain " · ", so the first one is the
 * separator. */
void words_app_what(struct words *words, const char *text);
/* Always in <code>. */
void words_code(struct words *words, const char *text, size_t max_points);
/* In <code>; if shortened, a text keeps its end, where the cause of an error usually is.
 * max_points must be over 60. */
void words_error(struct words *words, const char *text, size_t max_points);
/* Several lines, each of them as in words_name(). */
void words_text(struct words *words, const char *text, size_t max_points);
/* Values in <code> side by side, the last of the array first (the array is in order of arrival):
 * at most max, then "+N". total: number of all values, of which the array has the newest. */
void words_runs(struct words *words, const json_t *runs, size_t total, size_t max);
/* A user: the localpart on the homeserver of own_user, else the whole id in <code>. */
void words_user(struct words *words, const char *user, const char *own_user);

/* --- links -------------------------------------------------------------------------------- */

/* The text between these two calls becomes a link; the plain text says "text: url". url is
 * http(s), percent-encoded, and borrowed until words_link_end(); NULL: no link, only the text. */
void words_link(struct words *words, const char *url);
void words_link_end(struct words *words);
/* Like words_link(), to an event by matrix.to; no link when either is NULL. */
void words_permalink(struct words *words, const char *room_id, const char *event_id);
/* "app · what" as a link to the event by words_permalink(). If a part is in <code>, the link
 * comes after it, since some clients change the text of a link that contains tags. */
void words_failure(struct words *words, const char *app, const char *identity, const char *room_id,
        const char *event_id);
/* Adds pills for user ids and "@room" for "room", separated by blanks, and mentions them in
 * m.mentions. names is terminated by NULL; NULL or empty: adds nothing. */
void words_mention(struct words *words, char *const *names);
/* Only adds them to m.mentions. */
void words_mention_silently(struct words *words, char *const *names);

/* --- lists -------------------------------------------------------------------------------- */

/* Begins a list that shows max entries; all (copied, may be NULL) is the command that shows the
 * others. */
void words_list(struct words *words, size_t max, const char *all);
/* Begins the next entry. Call it for entries over max too, so that they are counted. */
void words_item(struct words *words);
void words_list_end(struct words *words);
/* Counts entries that the list which ended last does not have at all among "+N more". */
void words_list_more(struct words *words, size_t count);

/* --- results ------------------------------------------------------------------------------ */

/* Bytes of both forms as JSON strings; an edit has the body twice (its fallback). */
size_t words_size(const struct words *words, bool edit);
/* Shortens until words_size() is at most max: the longest list first, then lines from the end. */
void words_fit(struct words *words, size_t max, bool edit);

/* Removes empty lines at the end. */
void words_trim(struct words *words);

/* The two forms as strings, owned by the caller. */
char *words_body(const struct words *words);
char *words_html(const struct words *words);

/* The content of an m.room.message with both forms and m.mentions; a new reference. */
json_t *words_content(const struct words *words, const char *msgtype);

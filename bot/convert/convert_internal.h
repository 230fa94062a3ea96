/*
 * convert_internal.h - what the parts of convert.h share: convert.c (rooms, routes),
 * convert_times.c (quiet times), convert_notes.c (what has no counterpart).
 */
#pragma once

#include <stdint.h>
#include "bot/base/severity.h"
#include "bot/convert/am_routes.h"
#include "bot/convert/convert.h"

#define CONVERT_ROOMS_MAX 200
#define CONVERT_APPS_MAX 200
#define CONVERT_NOTES_MAX 1000
#define CONVERT_SEVERITIES_MAX 8
#define CONVERT_WORDS 100 /* code points shown of a text from the file */

struct convert_room {
	const char *receiver; /* borrowed from the tree */
	char *name;           /* of [rooms] */
	int node;
};

struct convert_note {
	int line;
	char *text;
};

struct convert {
	const struct tree *tree;
	struct am_routes routes;
	struct convert_room rooms[CONVERT_ROOMS_MAX];
	size_t rooms_len;
	struct convert_note notes[CONVERT_NOTES_MAX];
	size_t notes_len;
	const char *severities[CONVERT_SEVERITIES_MAX]; /* borrowed from the routes */
	size_t severities_len;
	const char *zone; /* of [heartbeat], or NULL; borrowed */
	size_t quiets_len;
	struct buf quiets; /* sections */
	struct buf *out;
};

/* The labels of a hypothetical alert of which only severity and app are known. */
struct convert_labels {
	const char *severity;
	const char *label, *app; /* NULL = no app */
};

/* Callback for am_routes_find(). */
const char *convert_label(const char *name, void *labels);
/* Whether the label names the app of an alert. */
bool convert_is_app_label(const char *name);
/* The names that a matcher accepts, as "a|b|c", without enclosing parentheses or anchors; NULL when
 * it is not a list of names. Owned by the caller. */
char *convert_names(const struct am_matcher *matcher);
/* Adds text from the file in a form that is safe in a comment. */
void convert_add_words(struct buf *out, const char *text);
/* Makes a name of [A-Za-z0-9_-] from any text. */
char *convert_name(const char *text);

/* convert_times.c: writes sections [quiet NAME] to quiets. */
void convert_times(struct convert *c);

/* convert_notes.c */
void convert_note(struct convert *c, int node, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
/* Adds all notes that do not depend on other parts. */
void convert_note_all(struct convert *c);
void convert_notes_print(struct convert *c);

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
#define CONVERT_WORDS 100 /* code points that are shown of a text of the file's */

struct convert_room {
	const char *receiver; /* borrowed of the tree */
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
	const char *severities[CONVERT_SEVERITIES_MAX]; /* borrowed of the routes */
	size_t severities_len;
	const char *zone; /* of [heartbeat], or NULL; borrowed */
	size_t quiets_len;
	struct buf quiets; /* sections */
	struct buf *out;
};

/* Labels of an alert that only its severity and its app are known of. */
struct convert_labels {
	const char *severity;
	const char *label, *app; /* NULL = of no app */
};

/* For am_routes_find(). */
const char *convert_label(const char *name, void *labels);
/* One that the name of an app is taken from. */
bool convert_is_app_label(const char *name);
/* The names that a matcher is equal to, as "a|b|c", without what stands around them in a regular
 * expression; NULL when it is no list of names. Owned by the caller. */
char *convert_names(const struct am_matcher *matcher);
/* The file's text as it may stand in a comment. */
void convert_add_words(struct buf *out, const char *text);
/* A name of [A-Za-z0-9_-], from any text. */
char *convert_name(const char *text);

/* convert_times.c: sections [quiet NAME] into quiets. */
void convert_times(struct convert *c);

/* convert_notes.c */
void convert_note(struct convert *c, int node, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
/* All that needs no other part to be known. */
void convert_note_all(struct convert *c);
void convert_notes_print(struct convert *c);

/*
 * source.h - the text that a config is read from: the line of each key, and the errors found. For
 * bot/config/.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include "bot/base/buf.h"

struct source_key {
	char *section, *key; /* key NULL: the first header of the section */
	unsigned line;
};

struct source {
	const char *path;   /* borrowed, for messages */
	struct buf *report; /* borrowed */
	unsigned faults;    /* number of errors reported so far */
	struct source_key *keys;
	size_t keys_len;
};

void source_finish(struct source *source);

/* Adds "path:line: message\n" to the report, as neutral text; line 0 = without line number. */
void source_fault(struct source *source, unsigned line, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/* Records the line of a key (NULL: of a section). Returns the line where it was before, else 0. */
unsigned source_note(struct source *source, const char *section, const char *key, unsigned line);

/* Whether the text has that key, be its value valid or not. */
bool source_has(const struct source *source, const char *section, const char *key);

/* The line of a key, else of its section, else 0. */
unsigned source_line(const struct source *source, const char *section, const char *key);

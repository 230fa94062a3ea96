/*
 * source.h - the text that a config is read from: where each key stands, and the faults found.
 * For bot/config/.
 */
#pragma once

#include <stddef.h>
#include "bot/base/buf.h"

struct source_key {
	char *section, *key; /* key NULL: the section's first header */
	unsigned line;
};

struct source {
	const char *path;   /* borrowed, for messages */
	struct buf *report; /* borrowed */
	unsigned faults;    /* told so far */
	struct source_key *keys;
	size_t keys_len;
};

void source_finish(struct source *source);

/* Adds "path:line: message\n" to the report, as neutral text; line 0 = without. */
void source_fault(struct source *source, unsigned line, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/* Takes note of a key (NULL: of a section). Returns the line where it stood before, else 0. */
unsigned source_note(struct source *source, const char *section, const char *key, unsigned line);

/* The line of a key, else of its section, else 0. */
unsigned source_line(const struct source *source, const char *section, const char *key);

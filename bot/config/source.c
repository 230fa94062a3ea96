/*
 * source.c - see source.h.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/text.h"
#include "bot/config/source.h"

#define FAULT_POINTS 400 /* code points of an error message */

void source_finish(struct source *source)
{
	for (size_t i = 0; i < source->keys_len; i++) {
		free(source->keys[i].section);
		free(source->keys[i].key);
	}
	free(source->keys);
	source->keys = NULL;
	source->keys_len = 0;
}

void source_fault(struct source *source, unsigned line, const char *format, ...)
{
	char text[2048];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	source->faults++;
	buf_add_str(source->report, source->path);
	if (line > 0)
		buf_printf(source->report, ":%u", line);
	buf_add_str(source->report, ": ");
	text_add_plain(source->report, text, FAULT_POINTS, TEXT_FOLD_NEWLINES);
	buf_add_char(source->report, '\n');
}

static const struct source_key *find(
        const struct source *source, const char *section, const char *key)
{
	for (size_t i = 0; i < source->keys_len; i++) {
		const struct source_key *known = &source->keys[i];

		if (!known->key == !key && strcmp(known->section, section) == 0 &&
		        (!key || strcmp(known->key, key) == 0))
			return known;
	}
	return NULL;
}

unsigned source_note(struct source *source, const char *section, const char *key, unsigned line)
{
	const struct source_key *known = find(source, section, key);
	struct source_key *fresh;

	if (known)
		return known->line;
	source->keys = x_realloc(source->keys, (source->keys_len + 1) * sizeof(*source->keys));
	fresh = &source->keys[source->keys_len++];
	fresh->section = x_strdup(section);
	fresh->key = x_strdup_opt(key);
	fresh->line = line;
	return 0;
}

bool source_has(const struct source *source, const char *section, const char *key)
{
	return find(source, section, key);
}

unsigned source_line(const struct source *source, const char *section, const char *key)
{
	const struct source_key *known = find(source, section, key);

	if (!known)
		known = find(source, section, NULL);
	return known ? known->line : 0;
}

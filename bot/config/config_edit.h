/*
 * config_edit.h - changes single keys in the text of a config. Comments, the order of lines and all
 * other keys stay unchanged. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include "bot/base/buf.h"

struct config_change {
	const char *section, *key; /* "matrix"; "app data_factory" */
	const char *value;         /* a single line; NULL: the key is commented out */
};

/*
 * Adds the text with the changes, applied in order, to a buffer. An active key is changed in place
 * and keeps a comment after it; a key that exists only as a comment is inserted below that comment;
 * any other key is added after the last key of its section, or in a new section at the end.
 */
void config_edit(
        const char *text, const struct config_change *changes, size_t len, struct buf *out);

/* The first line of the value of an active key, owned by the caller; NULL: the key is not set. */
char *config_edit_value(const char *text, const char *section, const char *key);

/*
 * config_edit.h - changes single keys in the text of a config. Comments, order, and all that is not
 * named stay as they are. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include "bot/base/buf.h"

struct config_change {
	const char *section, *key; /* "matrix"; "app data_factory" */
	const char *value;         /* of one line; NULL: the key becomes a comment */
};

/*
 * The text with the changes, in their order. A key that is in force changes where it stands, and
 * keeps a comment behind it; one that stands there as a comment is put below that comment; else it
 * comes behind the last key of its section, or in a new section at the end.
 */
void config_edit(
        const char *text, const struct config_change *changes, size_t len, struct buf *out);

/* The value of a key in force, the first line of it, owned by the caller; NULL: it is not. */
char *config_edit_value(const char *text, const char *section, const char *key);

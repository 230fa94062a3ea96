/*
 * json_canonical.c - see json_canonical.h.
 */
#include "bot/base/json_canonical.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/buf.h"

struct canonical_member {
	const char *key;
	const json_t *value;
};

static bool canonical_add_value(struct buf *buf, const json_t *value, unsigned depth);

/* Adds what needs no escape in one piece. */
static void canonical_add_string(struct buf *buf, const char *text, size_t len)
{
	static const char named[] = {['\b'] = 'b',
	        ['\t'] = 't',
	        ['\n'] = 'n',
	        ['\f'] = 'f',
	        ['\r'] = 'r',
	        ['"'] = '"',
	        ['\\'] = '\\'};
	size_t from = 0;

	buf_add_char(buf, '"');
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		buf_add(buf, text + from, i - from);
		from = i + 1;
		if (named[c])
			buf_add(buf, (char[]){'\\', named[c]}, 2);
		else
			buf_printf(buf, "\\u%04x", c);
	}
	buf_add(buf, text + from, len - from);
	buf_add_char(buf, '"');
}

/* Comparing UTF-8 by bytes gives the order of code points. */
static int canonical_compare_keys(const void *a, const void *b)
{
	return strcmp(((const struct canonical_member *)a)->key,
	        ((const struct canonical_member *)b)->key);
}

static bool canonical_add_object(struct buf *buf, const json_t *object, unsigned depth)
{
	size_t len = json_object_size(object);
	struct canonical_member *members = x_calloc(len, sizeof(*members));
	const char *key;
	json_t *value;
	size_t n = 0;
	bool good = true;

	json_object_foreach((json_t *)object, key, value)
	{
		members[n++] = (struct canonical_member){key, value};
	}
	qsort(members, len, sizeof(*members), canonical_compare_keys);
	buf_add_char(buf, '{');
	for (size_t i = 0; good && i < len; i++) {
		if (i > 0)
			buf_add_char(buf, ',');
		canonical_add_string(buf, members[i].key, strlen(members[i].key));
		buf_add_char(buf, ':');
		good = canonical_add_value(buf, members[i].value, depth + 1);
	}
	buf_add_char(buf, '}');
	free(members);
	return good;
}

static bool canonical_add_array(struct buf *buf, const json_t *array, unsigned depth)
{
	buf_add_char(buf, '[');
	for (size_t i = 0; i < json_array_size(array); i++) {
		if (i > 0)
			buf_add_char(buf, ',');
		if (!canonical_add_value(buf, json_array_get(array, i), depth + 1))
			return false;
	}
	buf_add_char(buf, ']');
	return true;
}

static bool canonical_add_value(struct buf *buf, const json_t *value, unsigned depth)
{
	if (!value || depth > JSON_CANONICAL_DEPTH || buf->overflow)
		return false;
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return canonical_add_object(buf, value, depth);
	case JSON_ARRAY:
		return canonical_add_array(buf, value, depth);
	case JSON_STRING:
		canonical_add_string(buf, json_string_value(value), json_string_length(value));
		return true;
	case JSON_INTEGER:
		if (json_integer_value(value) > JSON_CANONICAL_INTEGER ||
		        json_integer_value(value) < -JSON_CANONICAL_INTEGER)
			return false;
		buf_printf(buf, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		return true;
	case JSON_TRUE:
		buf_add_str(buf, "true");
		return true;
	case JSON_FALSE:
		buf_add_str(buf, "false");
		return true;
	case JSON_NULL:
		buf_add_str(buf, "null");
		return true;
	case JSON_REAL:
		break;
	}
	return false;
}

char *json_canonical(const json_t *value)
{
	struct buf buf;

	buf_init(&buf, JSON_CANONICAL_MAX);
	if (!canonical_add_value(&buf, value, 0) || buf.overflow) {
		buf_finish(&buf);
		return NULL;
	}
	return buf_take(&buf);
}

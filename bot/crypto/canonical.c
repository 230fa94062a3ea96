/*
 * canonical.c - see canonical.h.
 */
#include "bot/crypto/canonical.h"

#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/buf.h"
#include "bot/crypto/olm.h"

static bool canonical_add_value(struct buf *buf, const json_t *value, unsigned depth);

static void canonical_add_string(struct buf *buf, const char *text, size_t len)
{
	static const char named[] = {['\b'] = 'b',
	        ['\t'] = 't',
	        ['\n'] = 'n',
	        ['\f'] = 'f',
	        ['\r'] = 'r',
	        ['"'] = '"',
	        ['\\'] = '\\'};

	buf_add_char(buf, '"');
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c < sizeof(named) && named[c] != '\0') {
			buf_add_char(buf, '\\');
			buf_add_char(buf, named[c]);
		} else if (c < 0x20) {
			buf_printf(buf, "\\u%04x", c);
		} else {
			buf_add_char(buf, (char)c);
		}
	}
	buf_add_char(buf, '"');
}

/* Comparing UTF-8 by bytes gives the order of code points. */
static int canonical_compare_keys(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool canonical_add_object(struct buf *buf, const json_t *object, unsigned depth)
{
	size_t len = json_object_size(object);
	const char **keys = x_calloc(len + 1, sizeof(*keys));
	const char *key;
	json_t *value;
	size_t n = 0;
	bool good = true;

	json_object_foreach((json_t *)object, key, value)
	{
		keys[n++] = key;
	}
	qsort(keys, len, sizeof(*keys), canonical_compare_keys);
	buf_add_char(buf, '{');
	for (size_t i = 0; good && i < len; i++) {
		if (i > 0)
			buf_add_char(buf, ',');
		canonical_add_string(buf, keys[i], strlen(keys[i]));
		buf_add_char(buf, ':');
		good = canonical_add_value(buf, json_object_get(object, keys[i]), depth + 1);
	}
	buf_add_char(buf, '}');
	free(keys);
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
	if (!value || depth > CANONICAL_DEPTH || buf->overflow)
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
		if (json_integer_value(value) > CANONICAL_INTEGER ||
		        json_integer_value(value) < -CANONICAL_INTEGER)
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

char *canonical_json(const json_t *value)
{
	struct buf buf;

	buf_init(&buf, CANONICAL_MAX);
	if (!canonical_add_value(&buf, value, 0) || buf.overflow) {
		buf_finish(&buf);
		return NULL;
	}
	return buf_take(&buf);
}

char *canonical_signed_part(const json_t *object)
{
	json_t *copy;
	char *text;

	if (!json_is_object(object))
		return NULL;
	copy = json_copy((json_t *)object);
	json_object_del(copy, "signatures");
	json_object_del(copy, "unsigned");
	text = canonical_json(copy);
	json_decref(copy);
	return text;
}

const char *canonical_signature(const json_t *object, const char *user, const char *key_id)
{
	const json_t *by_user = json_object_get(json_object_get(object, "signatures"), user);

	return json_string_value(json_object_get(by_user, key_id));
}

void canonical_sign_add(json_t *object, const char *user, const char *key_id, const char *signature)
{
	json_t *signatures = json_object_get(object, "signatures");
	json_t *by_user;

	if (!signatures) {
		signatures = json_object();
		json_object_set_new(object, "signatures", signatures);
	}
	by_user = json_object_get(signatures, user);
	if (!by_user) {
		by_user = json_object();
		json_object_set_new(signatures, user, by_user);
	}
	json_object_set_new(by_user, key_id, json_string(signature));
}

bool canonical_verify(
        const json_t *object, const char *user, const char *key_id, const char *public_key)
{
	const char *signature = canonical_signature(object, user, key_id);
	char *text;
	bool good;

	if (!signature || !public_key)
		return false;
	text = canonical_signed_part(object);
	good = text && ol_verify(public_key, text, signature);
	free(text);
	return good;
}

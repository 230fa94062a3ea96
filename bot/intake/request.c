/*
 * request.c - see request.h. The nesting is measured before jansson sees the line, because its
 * own bound is a constant of its build and it recurses that deep.
 */
#include <stdbool.h>
#include "bot/base/buf.h"
#include "bot/base/text.h"
#include "bot/intake/request.h"

/* Where the nesting passes the bound, or len. Counts brackets outside strings, which is right
 * for whatever turns out to be JSON. */
static size_t find_too_deep(const char *line, size_t len)
{
	bool in_string = false;
	unsigned depth = 0;

	for (size_t i = 0; i < len; i++) {
		char c = line[i];
		if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
		} else if (c == '"') {
			in_string = true;
		} else if (c == '{' || c == '[') {
			if (++depth > REQUEST_DEPTH_MAX)
				return i;
		} else if ((c == '}' || c == ']') && depth > 0) {
			depth--;
		}
	}
	return len;
}

enum err request_parse(
        const char *line, size_t len, json_t **out, size_t *position, struct fault *fault)
{
	json_error_t error;
	struct buf reason;

	*out = NULL;
	*position = find_too_deep(line, len);
	if (*position < len)
		return fault_set(fault, ERR_INVALID, "nested deeper than %d", REQUEST_DEPTH_MAX);

	json_t *json = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);
	if (!json) {
		*position = error.position > 0 ? (size_t)error.position : 0;
		/* jansson quotes the input, which may be anything. */
		buf_init(&reason, 1024);
		text_add_plain(&reason, error.text, 160, TEXT_FOLD_NEWLINES);
		fault_set(fault, ERR_INVALID, "%.200s", buf_str(&reason));
		buf_finish(&reason);
		return ERR_INVALID;
	}
	if (!json_is_object(json)) {
		json_decref(json);
		*position = 0;
		return fault_set(fault, ERR_INVALID, "a request is a JSON object");
	}
	*out = json;
	return OK;
}

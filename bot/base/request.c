/*
 * request.c - see request.h. The nesting is measured before jansson sees the line, because its
 * own bound is a constant of its build and it recurses that deep.
 */
#include "bot/base/request.h"

#include <stdbool.h>
#include <string.h>
#include "bot/base/buf.h"
#include "bot/base/json_mend.h"
#include "bot/base/text.h"

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

/* As the standard has it. */
static enum err parse_strictly(
        const char *line, size_t len, json_t **out, size_t *position, struct fault *fault)
{
	json_error_t error;
	struct buf reason;

	*position = find_too_deep(line, len);
	if (*position < len)
		return fault_set(fault, ERR_INVALID, "nested deeper than %d", REQUEST_DEPTH_MAX);
	*out = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);
	if (*out)
		return OK;
	*position = error.position > 0 ? (size_t)error.position : 0;
	/* jansson quotes the input, which may be anything. */
	buf_init(&reason, 1024);
	text_add_plain(&reason, error.text, 160, TEXT_FOLD_NEWLINES);
	fault_set(fault, ERR_INVALID, "%.200s", buf_str(&reason));
	buf_finish(&reason);
	return ERR_INVALID;
}

/* A spooled alert may be without op. */
static bool is_alert(const json_t *request)
{
	const json_t *op = json_object_get(request, "op");

	return op ? json_is_string(op) && strcmp(json_string_value(op), "alert") == 0
	          : json_object_get(request, "app") != NULL;
}

/* An alert for which strict JSON is too narrow, or NULL. */
static json_t *parse_mended(const char *line, size_t len)
{
	json_t *notes = json_array();
	json_t *request = json_mend(line, len, REQUEST_DEPTH_MAX, notes);
	json_t *before = json_object_get(request, REQUEST_MENDED);

	if (is_alert(request)) {
		if (json_is_array(before))
			json_array_extend(notes, before);
		json_object_set(request, REQUEST_MENDED, notes);
	} else {
		json_decref(request);
		request = NULL;
	}
	json_decref(notes);
	return request;
}

enum err request_parse(
        const char *line, size_t len, json_t **out, size_t *position, struct fault *fault)
{
	enum err err;

	*out = NULL;
	err = parse_strictly(line, len, out, position, fault);
	if (err) {
		*out = parse_mended(line, len);
		return *out ? OK : err;
	}
	if (!json_is_object(*out)) {
		json_decref(*out);
		*out = NULL;
		*position = 0;
		return fault_set(fault, ERR_INVALID, "a request is a JSON object");
	}
	return OK;
}

/*
 * request.c - see request.h. The nesting is measured before jansson parses the line, because its
 * own limit is fixed when it is built, and it recurses that deep.
 */
#include "bot/base/request.h"

#include <stdlib.h>
#include <string.h>
#include "bot/base/buf.h"
#include "bot/base/json_mend.h"
#include "bot/base/text.h"

#define FIT_BYTES_MIN 256 /* shorter texts are not cut to make an alert fit */
#define FIT_NOTE "cut: an alert has at most 65536 bytes"

/* Where the nesting exceeds the limit, or len. Counts brackets outside strings, which is correct
 * for everything that turns out to be JSON. */
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

/* Parses as RFC 8259 requires. */
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
	/* jansson quotes the input, which may contain anything */
	buf_init(&reason, 1024);
	text_add_plain(&reason, error.text, 160, TEXT_FOLD_NEWLINES);
	fault_set(fault, ERR_INVALID, "%.200s", buf_str(&reason));
	buf_finish(&reason);
	return ERR_INVALID;
}

/* An alert from the spool may be without op. */
static bool is_alert(const json_t *request)
{
	const json_t *op = json_object_get(request, "op");

	return op ? json_is_string(op) && strcmp(json_string_value(op), "alert") == 0
	          : json_object_get(request, "app") != NULL;
}

/* Parses an alert that strict JSON rejects; NULL when that fails or it is not an alert. */
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

json_t *request_notes(json_t *request)
{
	json_t *notes = json_object_get(request, REQUEST_MENDED);

	if (!json_is_array(notes)) {
		notes = json_array();
		json_object_set_new(request, REQUEST_MENDED, notes);
	}
	return notes;
}

bool request_has_app(const json_t *alert)
{
	const json_t *app = json_object_get(alert, "app");

	return json_is_string(app) ? json_string_length(app) > 0
	                           : json_is_number(app) || json_is_boolean(app);
}

/* Keeps the keys common to all alerts, and drops its own fields. */
static void keep_common_keys(json_t *alert)
{
	static const char *const names[] = {"op", "id", "app", "kind", "severity", "status",
	        "run_id", "key", "at", "title", "text", REQUEST_MENDED};
	json_t *kept = json_object();

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		json_t *value = json_object_get(alert, names[i]);

		if (!json_is_object(value) &&
		        (!json_is_array(value) || strcmp(names[i], REQUEST_MENDED) == 0))
			json_object_set(kept, names[i], value);
	}
	json_object_clear(alert);
	json_object_update(alert, kept);
	json_decref(kept);
}

static bool is_noted(const json_t *notes, const char *field)
{
	const json_t *note;
	size_t i;

	json_array_foreach(notes, i, note)
	{
		const char *noted = json_string_value(json_object_get(note, "field"));

		if (noted && strcmp(noted, field) == 0)
			return true;
	}
	return false;
}

/* Cuts all texts that are longer than max bytes; false when there are none. */
static bool cut_texts(json_t *object, size_t max, json_t *notes)
{
	const char *name;
	bool any = false;
	json_t *value;
	struct buf cut;

	json_object_foreach(object, name, value)
	{
		any |= json_is_object(value) && cut_texts(value, max, notes);
		if (json_string_length(value) <= max)
			continue;
		buf_init(&cut, max + 3);
		buf_add(&cut, json_string_value(value), text_whole(json_string_value(value), max));
		buf_add_str(&cut, "…");
		json_object_set_new(object, name, json_string(buf_str(&cut)));
		buf_finish(&cut);
		if (!is_noted(notes, name))
			json_mend_note(notes, name, FIT_NOTE);
		any = true;
	}
	return any;
}

void request_fit(json_t *alert)
{
	size_t size = json_dumpb(alert, NULL, 0, JSON_COMPACT);

	if (size <= REQUEST_MAX)
		return;
	for (size_t max = REQUEST_MAX; size > REQUEST_MAX && max >= FIT_BYTES_MIN; max -= max / 4)
		if (cut_texts(alert, max, request_notes(alert)))
			size = json_dumpb(alert, NULL, 0, JSON_COMPACT);
	if (size > REQUEST_MAX) {
		json_mend_note(request_notes(alert), "fields", FIT_NOTE);
		keep_common_keys(alert);
	}
}

/*
 * reply_json.c - see reply_json.h.
 */
#include "bot/base/buf.h"
#include "bot/base/text.h"
#include "bot/intake/reply_json.h"

#define MESSAGE_POINTS 512

/* Text that may quote the request, or be cut inside a code point. */
static json_t *neutral_string(const char *text)
{
	struct buf buf;

	buf_init(&buf, 16 * MESSAGE_POINTS);
	text_add_plain(&buf, text, MESSAGE_POINTS, TEXT_KEEP_NEWLINES);
	json_t *string = json_string(buf_str(&buf));
	buf_finish(&buf);
	return string;
}

json_t *answer_error(const char *code, const char *field, const char *message, bool retry)
{
	json_t *object = json_pack("{s:b, s:o}", "ok", 0, "error", neutral_string(code));

	if (field)
		json_object_set_new(object, "field", neutral_string(field));
	if (message)
		json_object_set_new(object, "message", neutral_string(message));
	if (retry)
		json_object_set_new(object, "retry", json_true());
	return object;
}

json_t *answer_ok(json_t *object)
{
	json_t *answer = json_pack("{s:b}", "ok", 1);

	if (object)
		json_object_update_missing(answer, object);
	json_decref(object);
	return answer;
}

/*
 * form_body.c - see form_body.h.
 */
#include "bot/http/form_body.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "bot/base/alloc.h"

#define FORM_CHUNK 1024 /* bytes that libmicrohttpd keeps of a field at a time */
#define FORM_FIELDS_MAX 256
#define FORM_NAME_MAX 256

struct form {
	json_t *fields;
	char name[FORM_NAME_MAX + 1]; /* of the field whose value is being read */
	struct buf value;
};

static bool form_is_declared(const char *type)
{
	static const char *const types[] = {
	        "multipart/form-data", "application/x-www-form-urlencoded"};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strncasecmp(type, types[i], strlen(types[i])) == 0)
			return true;
	return false;
}

static bool form_is_json(const char *text)
{
	text += strspn(text, " \t\r\n");
	return *text == '{' || *text == '[';
}

/* The value is complete. A value that is not UTF-8 is left out. */
static void form_end_field(struct form *form)
{
	if (form->name[0] && json_object_size(form->fields) < FORM_FIELDS_MAX)
		json_object_set_new(form->fields, form->name, json_string(buf_str(&form->value)));
	buf_reset(&form->value);
}

static enum MHD_Result form_take(void *arg, enum MHD_ValueKind kind, const char *key,
        const char *filename, const char *type, const char *encoding, const char *data,
        uint64_t offset, size_t size)
{
	struct form *form = arg;

	if (!key || strlen(key) > FORM_NAME_MAX)
		return MHD_YES;
	if (offset == 0) {
		form_end_field(form);
		memcpy(form->name, key, strlen(key) + 1);
	}
	if (strcmp(form->name, key) == 0)
		buf_add(&form->value, data, size);
	return MHD_YES;
}

static json_t *form_read(struct web_call *call)
{
	struct form form = {.fields = json_object()};
	struct MHD_PostProcessor *reader =
	        MHD_create_post_processor(call->connection, FORM_CHUNK, form_take, &form);

	buf_init(&form.value, WEB_BODY_MAX);
	if (reader) { /* else there is no boundary */
		MHD_post_process(reader, buf_str(&call->body), call->body.len);
		MHD_destroy_post_processor(reader);
		form_end_field(&form);
	}
	buf_finish(&form.value);
	return form.fields;
}

void form_body_unwrap(struct web_call *call)
{
	const char *json;
	char *text;
	json_t *fields;

	if (!form_is_declared(call_header(call, "Content-Type")) ||
	        form_is_json(buf_str(&call->body)))
		return;
	fields = form_read(call);
	json = json_string_value(json_object_get(fields, "data"));
	if (!json || !form_is_json(json))
		json = json_string_value(json_object_get(fields, "payload"));
	text = json && form_is_json(json)     ? x_strdup(json)
	       : json_object_size(fields) > 0 ? json_dumps(fields, JSON_COMPACT)
	                                      : NULL;
	json_decref(fields);
	if (!text)
		return;
	call->web->bodies -= call->body.len;
	buf_reset(&call->body);
	buf_add_str(&call->body, text);
	call->web->bodies += call->body.len;
	free(text);
}

/*
 * reply_json.h - the two forms of an answer in JSON (server.h, reply_ok() and reply_error()). Pure.
 */
#pragma once

#include <stdbool.h>
#include <jansson.h>

/* Takes the reference to object, which may be NULL; "ok" comes first. */
json_t *answer_ok(json_t *object);
/* field and message may be NULL. */
json_t *answer_error(const char *code, const char *field, const char *message, bool retry);

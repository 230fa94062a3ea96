/*
 * request.h - from the bytes of one line to a JSON object. Pure.
 */
#pragma once

#include <stddef.h>
#include <jansson.h>
#include "bot/base/err.h"

#define REQUEST_DEPTH_MAX 16 /* nested arrays and objects; an alert needs two */

/*
 * Parses one line. Refused are: what is not JSON or not UTF-8, NUL in any form, a key given
 * twice, deep nesting, and anything but an object at the top. On ERR_INVALID *fault says why and
 * *position is the byte (from 0) where it went wrong. The object is owned by the caller.
 */
enum err request_parse(
        const char *line, size_t len, json_t **out, size_t *position, struct fault *fault);

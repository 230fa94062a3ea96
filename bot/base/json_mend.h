/*
 * json_mend.h - a lenient JSON parser, for what encoders really write.
 *
 * A strict parser rejects a whole object for one invalid part. This one corrects the part and adds
 * a note: invalid UTF-8, lone surrogates and NUL become U+FFFD; numbers that C cannot represent
 * (1e999, 40 digits, NaN, Infinity) become text; of a repeated key the last value counts; values
 * nested too deeply are kept as text; a byte order mark, stray control characters and unknown
 * escapes are accepted. What does not have the structure of JSON is rejected all the same.
 */
#pragma once

#include <stddef.h>
#include <jansson.h>

#define MEND_NOTES_MAX 24 /* notes of one request; later corrections are not noted */

/* The value, owned by the caller, or NULL when it is not JSON. Notes are added to the array
 * `notes`; values nested deeper than depth_max become text. */
json_t *json_mend(const char *text, size_t len, unsigned depth_max, json_t *notes);

/* Adds {"field":…,"message":…} to the array, both limited to one line. */
void json_mend_note(json_t *notes, const char *field, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/* A string from any bytes: invalid UTF-8 and NUL become U+FFFD, with a note. */
json_t *json_mend_string(const char *text, size_t len, json_t *notes, const char *field);

/* Cuts the text to max_points code points, the last of them "…"; true when it was longer. The
 * result is owned by the caller. */
char *json_mend_cut(const char *text, size_t max_points);

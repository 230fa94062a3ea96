/*
 * json_mend.h - JSON as encoders really write it, read without loss of the rest.
 *
 * A strict parser refuses a whole object for one odd part of it. This one mends the part and says
 * so: bytes that are no UTF-8, lone surrogates and NUL become U+FFFD, numbers that C cannot hold
 * (1e999, 40 digits, NaN, Infinity) become text, of a key given twice the last one counts, what is
 * nested too deeply is kept as text, a byte order mark, stray control characters and unknown
 * escapes do no harm. What has not the structure of JSON is refused all the same.
 */
#pragma once

#include <stddef.h>
#include <jansson.h>

#define MEND_NOTES_MAX 24 /* notes of one request; what is mended after that goes unsaid */

/* The value, owned by the caller, or NULL when it is no JSON. Notes are added to the array
 * `notes`; what is nested deeper than depth_max is text. */
json_t *json_mend(const char *text, size_t len, unsigned depth_max, json_t *notes);

/* Adds {"field":…,"message":…} to the array, both cut to a line. */
void json_mend_note(json_t *notes, const char *field, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/* A string of any bytes: what is no UTF-8, and NUL, becomes U+FFFD, and is noted. */
json_t *json_mend_string(const char *text, size_t len, json_t *notes, const char *field);

/* Cuts the text to max_points code points, the last of them "…"; true when it was longer. The
 * result is owned by the caller. */
char *json_mend_cut(const char *text, size_t max_points);

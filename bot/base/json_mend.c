/*
 * json_mend.c - see json_mend.h. One pass over the bytes; nesting, and so recursion, is bounded.
 * Each value knows the field it belongs to, for the notes: "run_id", "fields.error".
 */
#include "bot/base/json_mend.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "bot/base/buf.h"
#include "bot/base/text.h"

#define FIELD_MAX 96 /* code points of the field's name in a note */
#define MESSAGE_MAX 192
#define NUMBER_MAX 1024 /* longer numbers (in bytes) are kept as text */

struct mend {
	const char *at, *end;
	unsigned depth, depth_max;
	json_t *notes;
};

static json_t *mend_value(struct mend *mend, const char *field);

/* ---- notes and texts ---- */

static json_t *line_of(const char *text, size_t max_points)
{
	struct buf buf;
	json_t *string;

	buf_init(&buf, max_points * 8);
	text_add_plain(&buf, text, max_points, TEXT_FOLD_NEWLINES);
	string = json_string(buf_str(&buf));
	buf_finish(&buf);
	return string;
}

void json_mend_note(json_t *notes, const char *field, const char *format, ...)
{
	char message[MESSAGE_MAX * 4];
	va_list args;

	if (json_array_size(notes) >= MEND_NOTES_MAX)
		return;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	json_array_append_new(notes, json_pack("{s:o, s:o}", "field", line_of(field, FIELD_MAX),
	                                     "message", line_of(message, MESSAGE_MAX)));
}

/* Adds the bytes as UTF-8 without NUL; returns the number of replaced places. */
static unsigned add_utf8(struct buf *out, const char *text, size_t len)
{
	unsigned replaced = 0, point;

	for (size_t used; len > 0; text += used, len -= used) {
		used = text_decode(text, len, &point);
		if (point == 0 || (point == 0xFFFD && used != 3)) {
			buf_add_str(out, "\xEF\xBF\xBD");
			replaced++;
		} else {
			buf_add(out, text, used);
		}
	}
	return replaced;
}

static void note_replaced(json_t *notes, const char *field, unsigned replaced)
{
	if (replaced > 0)
		json_mend_note(notes, field,
		        "replaced by U+FFFD at %u %s: not UTF-8, a lone surrogate or NUL", replaced,
		        replaced == 1 ? "place" : "places");
}

json_t *json_mend_string(const char *text, size_t len, json_t *notes, const char *field)
{
	struct buf buf;
	json_t *string;

	buf_init(&buf, 3 * len);
	note_replaced(notes, field, add_utf8(&buf, text, len));
	string = json_string(buf_str(&buf));
	buf_finish(&buf);
	return string;
}

char *json_mend_cut(const char *text, size_t max_points)
{
	size_t points = 0, keep = 0;
	const char *p = text;

	for (; *p; p++) {
		if (((unsigned char)*p & 0xC0) == 0x80)
			continue;
		if (points == max_points - 1)
			keep = (size_t)(p - text);
		if (++points > max_points)
			break;
	}
	if (points <= max_points)
		return NULL;

	struct buf cut;
	buf_init(&cut, keep + 3);
	buf_add(&cut, text, keep);
	buf_add_str(&cut, "…");
	return buf_take(&cut);
}

/* ---- strings ---- */

static bool read_hex4(const char *at, const char *end, unsigned *value)
{
	*value = 0;
	if (end - at < 4)
		return false;
	for (int i = 0; i < 4; i++) {
		const char *digits = "0123456789abcdef", *digit;
		char c = at[i] >= 'A' && at[i] <= 'F' ? (char)(at[i] + ('a' - 'A')) : at[i];

		digit = c ? strchr(digits, c) : NULL;
		if (!digit)
			return false;
		*value = *value << 4 | (unsigned)(digit - digits);
	}
	return true;
}

/* Reads what follows "\u". A surrogate pair is one code point. */
static void mend_unicode(struct mend *mend, struct buf *out, unsigned *replaced)
{
	unsigned point, low;

	if (!read_hex4(mend->at, mend->end, &point)) {
		buf_add_str(out, "\\u");
		return;
	}
	mend->at += 4;
	if (point >= 0xD800 && point < 0xDC00 && mend->end - mend->at >= 6 &&
	        memcmp(mend->at, "\\u", 2) == 0 && read_hex4(mend->at + 2, mend->end, &low) &&
	        low >= 0xDC00 && low < 0xE000) {
		mend->at += 6;
		point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
	}
	if (point == 0 || (point >= 0xD800 && point < 0xE000)) {
		point = 0xFFFD;
		++*replaced;
	}
	text_encode(out, point);
}

/* Reads what follows a backslash. */
static void json_mend_mend_escape(struct mend *mend, struct buf *out, unsigned *replaced)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	char c = *mend->at;
	const char *known = c ? strchr(from, c) : NULL;

	if (c == 'u') {
		mend->at++;
		mend_unicode(mend, out, replaced);
	} else if (known) {
		mend->at++;
		buf_add_char(out, to[known - from]);
	} else {
		buf_add_char(out, '\\'); /* not an escape of JSON: keep it as written */
	}
}

/* Reads what follows the opening quote; false when the closing one is missing. */
static bool mend_text(struct mend *mend, struct buf *out, unsigned *replaced)
{
	buf_init(out, 3 * (size_t)(mend->end - mend->at));
	*replaced = 0;
	while (mend->at < mend->end) {
		const char *start = mend->at;

		while (mend->at < mend->end && *mend->at != '"' && *mend->at != '\\')
			mend->at++;
		*replaced += add_utf8(out, start, (size_t)(mend->at - start));
		if (mend->at == mend->end)
			break;
		if (*mend->at++ == '"')
			return true;
		if (mend->at < mend->end)
			json_mend_mend_escape(mend, out, replaced);
	}
	return false;
}

static json_t *mend_string(struct mend *mend, const char *field)
{
	struct buf text;
	unsigned replaced;
	json_t *string = NULL;

	mend->at++;
	if (mend_text(mend, &text, &replaced))
		string = json_string(buf_str(&text));
	if (string)
		note_replaced(mend->notes, field, replaced);
	buf_finish(&text);
	return string;
}

/* ---- numbers and words ---- */

static bool json_mend_is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\0';
}

static void skip_blanks(struct mend *mend)
{
	while (mend->at < mend->end && json_mend_is_blank(*mend->at))
		mend->at++;
}

static size_t count_digits(const char *text)
{
	return strspn(text, "0123456789");
}

/* Follows the grammar of JSON; whole: without fraction and exponent. */
static bool is_json_number(const char *text, bool *whole)
{
	size_t digits;

	text += *text == '-';
	digits = count_digits(text);
	if (digits == 0 || (digits > 1 && *text == '0'))
		return false;
	text += digits;
	*whole = *text == '\0';
	if (*text == '.') {
		digits = count_digits(text + 1);
		if (digits == 0)
			return false;
		text += 1 + digits;
	}
	if (*text == 'e' || *text == 'E') {
		text++;
		text += *text == '-' || *text == '+';
		digits = count_digits(text);
		if (digits == 0)
			return false;
		text += digits;
	}
	return *text == '\0';
}

/* The number, or NULL when the text is not a number or C cannot represent it. */
static json_t *json_mend_number_of(const char *text)
{
	bool whole;
	double real;

	if (!is_json_number(text, &whole))
		return NULL;
	errno = 0;
	if (whole) {
		long long integer = strtoll(text, NULL, 10);

		return errno == 0 ? json_integer(integer) : NULL;
	}
	real = strtod(text, NULL);
	return isfinite(real) ? json_real(real) : NULL;
}

/* Forms that encoders write for numbers although JSON has none of them: NaN, -Infinity, +1, .5,
 * 007. */
static bool looks_like_number(const char *text)
{
	static const char *const words[] = {"nan", "inf", "infinity"};

	text += *text == '-' || *text == '+';
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcasecmp(text, words[i]) == 0)
			return true;
	return (*text >= '0' && *text <= '9') || (*text == '.' && count_digits(text + 1) > 0);
}

static json_t *mend_word(struct mend *mend, const char *field)
{
	const char *start = mend->at;
	char word[NUMBER_MAX];
	json_t *value;
	size_t len;

	while (mend->at < mend->end && !json_mend_is_blank(*mend->at) &&
	        !strchr(",:{}[]\"", *mend->at))
		mend->at++;
	len = (size_t)(mend->at - start);
	if (len == 0 || len >= sizeof(word))
		return NULL;
	memcpy(word, start, len);
	word[len] = '\0';
	if (strcmp(word, "null") == 0)
		return json_null();
	if (strcmp(word, "true") == 0 || strcmp(word, "false") == 0)
		return json_boolean(word[0] == 't');
	value = json_mend_number_of(word);
	if (value || !looks_like_number(word))
		return value;
	value = json_mend_string(word, len, mend->notes, field);
	json_mend_note(mend->notes, field, "%.64s is a number that cannot be kept; taken as text",
	        json_string_value(value));
	return value;
}

/* ---- objects and arrays ---- */

/* The bracketed value that begins here, as text; NULL when its end is missing. */
static json_t *mend_too_deep(struct mend *mend, const char *field)
{
	const char *start = mend->at;
	unsigned open = 0;
	bool in_string = false;

	for (; mend->at < mend->end; mend->at++) {
		char c = *mend->at;

		if (in_string && c == '\\' && mend->at + 1 < mend->end) {
			mend->at++;
		} else if (c == '"') {
			in_string = !in_string;
		} else if (!in_string && (c == '{' || c == '[')) {
			open++;
		} else if (!in_string && (c == '}' || c == ']') && --open == 0) {
			mend->at++;
			json_mend_note(mend->notes, field, "nested too deeply; taken as text");
			return json_mend_string(
			        start, (size_t)(mend->at - start), mend->notes, field);
		}
	}
	return NULL;
}

/* The name of a member of `field` in notes: two levels are enough to find it. */
static void name_member(char *out, size_t size, const char *field, const char *key)
{
	if (!*field)
		snprintf(out, size, "%s", key);
	else if (strcmp(field, "fields") == 0)
		snprintf(out, size, "fields.%s", key);
	else
		snprintf(out, size, "%s", field);
}

/* Reads one member of an object; false when there is no valid one. */
static bool mend_member(struct mend *mend, json_t *object, const char *field)
{
	char name[4 * FIELD_MAX + 1];
	json_t *value = NULL;
	unsigned replaced;
	struct buf key;

	if (mend->at == mend->end || *mend->at++ != '"')
		return false;
	if (!mend_text(mend, &key, &replaced))
		goto out;
	skip_blanks(mend);
	if (mend->at == mend->end || *mend->at++ != ':')
		goto out;
	name_member(name, sizeof(name), field, buf_str(&key));
	note_replaced(mend->notes, name, replaced);
	if (json_object_get(object, buf_str(&key)))
		json_mend_note(mend->notes, name, "given more than once; the last one counts");
	value = mend_value(mend, name);
	if (value)
		json_object_set_new(object, buf_str(&key), value);
out:
	buf_finish(&key);
	return value;
}

static json_t *mend_object(struct mend *mend, const char *field)
{
	json_t *object = json_object();
	bool good = true;

	mend->at++;
	skip_blanks(mend);
	while (good && mend->at < mend->end && *mend->at != '}') {
		good = mend_member(mend, object, field);
		skip_blanks(mend);
		if (good && mend->at < mend->end && *mend->at == ',') {
			mend->at++;
			skip_blanks(mend);
			good = mend->at < mend->end && *mend->at == '"';
		} else if (good) {
			good = mend->at < mend->end && *mend->at == '}';
		}
	}
	if (!good || mend->at == mend->end) {
		json_decref(object);
		return NULL;
	}
	mend->at++;
	return object;
}

static json_t *mend_array(struct mend *mend, const char *field)
{
	json_t *array = json_array(), *value;
	bool good = true;

	mend->at++;
	skip_blanks(mend);
	while (good && mend->at < mend->end && *mend->at != ']') {
		value = mend_value(mend, field);
		good = value && json_array_append_new(array, value) == 0;
		skip_blanks(mend);
		if (good && mend->at < mend->end && *mend->at == ',') {
			mend->at++;
			skip_blanks(mend);
			good = mend->at < mend->end && *mend->at != ']';
		} else if (good) {
			good = mend->at < mend->end && *mend->at == ']';
		}
	}
	if (!good || mend->at == mend->end) {
		json_decref(array);
		return NULL;
	}
	mend->at++;
	return array;
}

static json_t *mend_value(struct mend *mend, const char *field)
{
	json_t *value;

	skip_blanks(mend);
	if (mend->at == mend->end)
		return NULL;
	if (*mend->at == '"')
		return mend_string(mend, field);
	if (*mend->at != '{' && *mend->at != '[')
		return mend_word(mend, field);
	if (mend->depth >= mend->depth_max)
		return mend_too_deep(mend, field);
	mend->depth++;
	value = *mend->at == '{' ? mend_object(mend, field) : mend_array(mend, field);
	mend->depth--;
	return value;
}

json_t *json_mend(const char *text, size_t len, unsigned depth_max, json_t *notes)
{
	struct mend mend = {.at = text, .end = text + len, .depth_max = depth_max, .notes = notes};
	json_t *value;

	if (len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
		mend.at += 3;
	value = mend_value(&mend, "");
	skip_blanks(&mend);
	if (mend.at < mend.end) {
		json_decref(value);
		return NULL;
	}
	return value;
}

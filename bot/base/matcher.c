/*
 * matcher.c - see matcher.h. Regular expressions are those of PCRE2, except for what could run for
 * long or use much memory: a pattern that compiles to more than PATTERN_SIZE_MAX, nests deeper than
 * PATTERN_NEST_MAX or has a back-reference is rejected, and each match has a step limit.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <ctype.h>
#include <pcre2.h>
#include <stdio.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/matcher.h"

#define NAME_MAX_BYTES 64
#define PATTERN_NEST_MAX 20
#define PATTERN_SIZE_MAX 4096        /* bytes, compiled */
#define PATTERN_TEXT_MAX (16 * 1024) /* longest value in bytes that is matched with a pattern */
#define PATTERN_STEPS_MAX 50000      /* a few milliseconds */
#define PATTERN_DEPTH_MAX 10000
#define PATTERN_HEAP_KIB 4096

enum matcher_op { MATCH_EQUAL, MATCH_NOT_EQUAL, MATCH_LIKE, MATCH_NOT_LIKE };

static const char *const op_texts[] = {"=", "!=", "=~", "!~"};

struct matcher {
	char name[NAME_MAX_BYTES];
	char *value;
	enum matcher_op op;
	pcre2_code *code; /* for LIKE and NOT_LIKE */
};

struct matchers {
	struct matcher list[MATCHERS_MAX];
	size_t len;
};

static bool is_like(const struct matcher *matcher)
{
	return matcher->op == MATCH_LIKE || matcher->op == MATCH_NOT_LIKE;
}

void matchers_free(struct matchers *matchers)
{
	if (!matchers)
		return;
	for (size_t i = 0; i < matchers->len; i++) {
		pcre2_code_free(matchers->list[i].code);
		free(matchers->list[i].value);
	}
	free(matchers);
}

static bool is_name(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '.' || c == '-';
}

/* The operator at text, its length in *len; false: none. */
static bool read_op(const char *text, enum matcher_op *op, size_t *len)
{
	*len = 2;
	if (strncmp(text, "!=", 2) == 0)
		*op = MATCH_NOT_EQUAL;
	else if (strncmp(text, "=~", 2) == 0)
		*op = MATCH_LIKE;
	else if (strncmp(text, "!~", 2) == 0)
		*op = MATCH_NOT_LIKE;
	else if (text[0] == '=') {
		*op = MATCH_EQUAL;
		*len = 1;
	} else
		return false;
	return true;
}

/* What stands around a value; the typographic ones are what phones make of plain quotes. */
static const struct quotes {
	const char *open, *close;
} quotes[] = {{"\"", "\""}, {"'", "'"}, {"“", "”"}, {"„", "“"}, {"‘", "’"}, {"«", "»"}, {"”", "”"},
        {"’", "’"}};

static bool begins_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

static const struct quotes *quotes_at(const char *text)
{
	for (size_t i = 0; i < sizeof(quotes) / sizeof(quotes[0]); i++)
		if (begins_with(text, quotes[i].open))
			return &quotes[i];
	return NULL;
}

static bool value_ends(const char *at, const struct quotes *around)
{
	return !*at || (around ? begins_with(at, around->close) : strchr(", \t\n", *at) != NULL);
}

/* A value in quotes (\" and \\ inside) or up to a comma or blank; moves *text past it. NULL: the
 * closing quote is missing, the value is too long, or it is empty without quotes. */
static char *matcher_read_value(const char **text)
{
	const struct quotes *around = quotes_at(*text);
	const char *at = *text + (around ? strlen(around->open) : 0);
	char *value = x_calloc(1, MATCHER_VALUE_MAX + 1);
	size_t len = 0;

	while (!value_ends(at, around) && len < MATCHER_VALUE_MAX) {
		if (around && *at == '\\' && (at[1] == '"' || at[1] == '\\'))
			at++;
		value[len++] = *at++;
	}
	if (!value_ends(at, around) || (around ? !*at : len == 0)) {
		free(value);
		return NULL;
	}
	*text = at + (around ? strlen(around->close) : 0);
	return value;
}

static enum err pattern_refuse(const struct matcher *matcher, const char *problem, char why[160])
{
	snprintf(why, 160, "the regular expression of %.40s: %.90s", matcher->name, problem);
	return ERR_INVALID;
}

/* What may be compiled, but not used: it could take too long or too much memory. */
static enum err pattern_check(const struct matcher *matcher, char why[160])
{
	uint32_t back_reference = 0;
	size_t size = 0;

	pcre2_pattern_info(matcher->code, PCRE2_INFO_BACKREFMAX, &back_reference);
	pcre2_pattern_info(matcher->code, PCRE2_INFO_SIZE, &size);
	if (back_reference > 0)
		return pattern_refuse(matcher, "it refers back to a group", why);
	if (size > PATTERN_SIZE_MAX)
		return pattern_refuse(matcher, "it is too large", why);
	return OK;
}

static enum err pattern_compile(struct matcher *matcher, char why[160])
{
	static const uint32_t options = PCRE2_UTF | PCRE2_ANCHORED | PCRE2_ENDANCHORED |
	                                PCRE2_DOTALL | PCRE2_DOLLAR_ENDONLY |
	                                PCRE2_NEVER_BACKSLASH_C;
	pcre2_compile_context *context = pcre2_compile_context_create(NULL);
	PCRE2_UCHAR problem[90];
	PCRE2_SIZE offset;
	int code;

	if (!context)
		abort();
	pcre2_set_parens_nest_limit(context, PATTERN_NEST_MAX);
	matcher->code = pcre2_compile((PCRE2_SPTR)matcher->value, PCRE2_ZERO_TERMINATED, options,
	        &code, &offset, context);
	pcre2_compile_context_free(context);
	if (matcher->code)
		return pattern_check(matcher, why);
	pcre2_get_error_message(code, problem, sizeof(problem));
	return pattern_refuse(matcher, (const char *)problem, why);
}

static enum err read_one(const char **text, struct matcher *matcher, char why[160])
{
	size_t len = 0, op_len;

	while (is_name((*text)[len]))
		len++;
	if (len == 0 || len >= sizeof(matcher->name) ||
	        !read_op(*text + len, &matcher->op, &op_len) || (*text)[len + op_len] == '=') {
		snprintf(why, 160, "a matcher looks like app=etl, app!=etl, node_id=~\"etl.*\"");
		return ERR_INVALID;
	}
	memcpy(matcher->name, *text, len);
	*text += len + op_len;
	matcher->value = matcher_read_value(text);
	if (!matcher->value) {
		snprintf(why, 160,
		        "the value of %s is missing, has no end, or is over %d bytes long; "
		        "an empty one is \"\"",
		        matcher->name, MATCHER_VALUE_MAX);
		return ERR_INVALID;
	}
	return is_like(matcher) ? pattern_compile(matcher, why) : OK;
}

/* False: the matchers are too many together. */
static bool matchers_fit(const struct matchers *matchers, char why[160])
{
	size_t patterns = 0, size = 0;

	for (size_t i = 0; i < matchers->len; i++) {
		patterns += is_like(&matchers->list[i]);
		/* with all of the value escaped, operator, quotes, comma and blank */
		size += strlen(matchers->list[i].name) + 2 * strlen(matchers->list[i].value) + 6;
	}
	if (patterns > MATCHERS_PATTERNS_MAX)
		snprintf(why, 160, "more than %d regular expressions", MATCHERS_PATTERNS_MAX);
	else if (size >= MATCHERS_TEXT_MAX)
		snprintf(why, 160, "the matchers are over %d bytes long", MATCHERS_TEXT_MAX);
	return patterns <= MATCHERS_PATTERNS_MAX && size < MATCHERS_TEXT_MAX;
}

enum err matchers_parse(const char *text, struct matchers **out, char why[160])
{
	struct matchers *matchers = x_calloc(1, sizeof(*matchers));

	*out = NULL;
	for (;;) {
		text += strspn(text, ", \t\n");
		if (!*text && matchers->len > 0)
			break;
		if (matchers->len == MATCHERS_MAX) {
			snprintf(why, 160, "more than %d matchers", MATCHERS_MAX);
			goto fail;
		}
		if (read_one(&text, &matchers->list[matchers->len++], why) != OK ||
		        !matchers_fit(matchers, why))
			goto fail;
	}
	*out = matchers;
	return OK;
fail:
	matchers_free(matchers);
	return ERR_INVALID;
}

/* A long value is like none of the patterns, and not unlike them either. */
static enum match match_pattern(const struct matcher *matcher, const char *value)
{
	pcre2_match_context *context;
	pcre2_match_data *data;
	size_t len = strlen(value);
	int rc;

	if (len > PATTERN_TEXT_MAX)
		return MATCH_NO;
	context = pcre2_match_context_create(NULL);
	data = pcre2_match_data_create(1, NULL);
	if (!context || !data)
		abort();
	pcre2_set_match_limit(context, PATTERN_STEPS_MAX);
	pcre2_set_depth_limit(context, PATTERN_DEPTH_MAX);
	pcre2_set_heap_limit(context, PATTERN_HEAP_KIB);
	rc = pcre2_match(matcher->code, (PCRE2_SPTR)value, len, 0, 0, data, context);
	pcre2_match_data_free(data);
	pcre2_match_context_free(context);
	if (rc < PCRE2_ERROR_PARTIAL && rc >= PCRE2_ERROR_UTF8_ERR21)
		return MATCH_NO; /* the value is no UTF-8 */
	if (rc < 0 && rc != PCRE2_ERROR_NOMATCH)
		return MATCH_LIMIT;
	return (rc >= 0) == (matcher->op == MATCH_LIKE) ? MATCH_YES : MATCH_NO;
}

static enum match match_one(const struct matcher *matcher, const char *value)
{
	if (is_like(matcher))
		return match_pattern(matcher, value);
	return (strcmp(value, matcher->value) == 0) == (matcher->op == MATCH_EQUAL) ? MATCH_YES
	                                                                            : MATCH_NO;
}

enum match matchers_match(const struct matchers *matchers, matcher_value_fn value, void *arg)
{
	enum match match = MATCH_YES;

	for (size_t i = 0; i < matchers->len && match == MATCH_YES; i++) {
		const char *text = value(matchers->list[i].name, arg);

		match = match_one(&matchers->list[i], text ? text : "");
	}
	return match;
}

char *matcher_label(const char *field)
{
	char *label;

	if (!*field || isdigit((unsigned char)*field))
		return NULL;
	label = x_strdup(field);
	for (char *c = label; *c; c++)
		if (!isalnum((unsigned char)*c) && *c != '_')
			*c = '_';
	return label;
}

void matchers_add_value(struct buf *out, const char *value, size_t len)
{
	buf_add_char(out, '"');
	for (size_t i = 0; i < len; i++) {
		if (value[i] == '"' || value[i] == '\\')
			buf_add_char(out, '\\');
		buf_add_char(out, value[i]);
	}
	buf_add_char(out, '"');
}

const char *matchers_value(const struct matchers *matchers, const char *name)
{
	for (size_t i = 0; i < matchers->len; i++)
		if (matchers->list[i].op == MATCH_EQUAL &&
		        strcmp(matchers->list[i].name, name) == 0)
			return matchers->list[i].value;
	return NULL;
}

void matchers_text(const struct matchers *matchers, struct buf *out)
{
	for (size_t i = 0; i < matchers->len; i++) {
		const struct matcher *matcher = &matchers->list[i];

		buf_printf(out, "%s%s%s", i ? ", " : "", matcher->name, op_texts[matcher->op]);
		matchers_add_value(out, matcher->value, strlen(matcher->value));
	}
}

/*
 * matcher.c - see matcher.h. Regular expressions are POSIX extended ones.
 */
#include <ctype.h>
#include <regex.h>
#include <stdio.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/matcher.h"

#define NAME_MAX_BYTES 64

enum matcher_op { MATCH_EQUAL, MATCH_NOT_EQUAL, MATCH_LIKE, MATCH_NOT_LIKE };

static const char *const op_texts[] = {"=", "!=", "=~", "!~"};

struct matcher {
	char name[NAME_MAX_BYTES];
	char *value;
	enum matcher_op op;
	regex_t regex; /* compiled for LIKE and NOT_LIKE */
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
		if (is_like(&matchers->list[i]))
			regfree(&matchers->list[i].regex);
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

bool matcher_is(const char *word)
{
	size_t len = 0, op_len;
	enum matcher_op op;

	while (is_name(word[len]))
		len++;
	return len > 0 && read_op(word + len, &op, &op_len);
}

/* A value in quotes (\" and \\ inside) or up to a comma or blank; *text moves behind it. NULL: its
 * end is missing, or it is too long. */
static char *read_value(const char **text)
{
	bool quoted = **text == '"';
	const char *at = *text + quoted;
	char *value = x_calloc(1, MATCHER_VALUE_MAX + 1);
	size_t len = 0;

	while (*at && (quoted ? *at != '"' : !strchr(", \t\n", *at))) {
		if (quoted && *at == '\\' && (at[1] == '"' || at[1] == '\\'))
			at++;
		if (len == MATCHER_VALUE_MAX) {
			free(value);
			return NULL;
		}
		value[len++] = *at++;
	}
	if (quoted && *at != '"') {
		free(value);
		return NULL;
	}
	*text = at + quoted;
	return value;
}

static enum err compile(struct matcher *matcher, char why[160])
{
	char *anchored = x_asprintf("^(%s)$", matcher->value), problem[80];
	int rc = regcomp(&matcher->regex, anchored, REG_EXTENDED | REG_NOSUB);

	free(anchored);
	if (rc == 0)
		return OK;
	regerror(rc, &matcher->regex, problem, sizeof(problem));
	snprintf(why, 160, "the regular expression of %.40s: %.60s", matcher->name, problem);
	return ERR_INVALID;
}

static enum err read_one(const char **text, struct matcher *matcher, char why[160])
{
	size_t len = 0, op_len;

	while (is_name((*text)[len]))
		len++;
	if (len == 0 || len >= sizeof(matcher->name) ||
	        !read_op(*text + len, &matcher->op, &op_len)) {
		snprintf(why, 160, "a matcher looks like app=etl, app!=etl, node_id=~\"etl.*\"");
		return ERR_INVALID;
	}
	memcpy(matcher->name, *text, len);
	*text += len + op_len;
	matcher->value = read_value(text);
	if (!matcher->value) {
		snprintf(why, 160, "the value of %s has no end, or is too long", matcher->name);
		return ERR_INVALID;
	}
	if (!is_like(matcher))
		return OK;
	if (compile(matcher, why) == OK)
		return OK;
	free(matcher->value);
	return ERR_INVALID;
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
		if (read_one(&text, &matchers->list[matchers->len], why) != OK)
			goto fail;
		matchers->len++;
	}
	*out = matchers;
	return OK;
fail:
	matchers_free(matchers);
	return ERR_INVALID;
}

static bool match_one(const struct matcher *matcher, const char *value)
{
	switch (matcher->op) {
	case MATCH_EQUAL:
		return strcmp(value, matcher->value) == 0;
	case MATCH_NOT_EQUAL:
		return strcmp(value, matcher->value) != 0;
	case MATCH_LIKE:
		return regexec(&matcher->regex, value, 0, NULL, 0) == 0;
	case MATCH_NOT_LIKE:
		return regexec(&matcher->regex, value, 0, NULL, 0) != 0;
	}
	return false;
}

bool matchers_match(const struct matchers *matchers, matcher_value_fn value, const void *arg)
{
	for (size_t i = 0; i < matchers->len; i++) {
		char *text = value(matchers->list[i].name, arg);
		bool good = match_one(&matchers->list[i], text ? text : "");

		free(text);
		if (!good)
			return false;
	}
	return true;
}

static char *probe(const char *name, const void *arg)
{
	return x_strdup(arg);
}

bool matchers_match_all(const struct matchers *matchers)
{
	/* what no app is called, and nothing at all */
	return matchers_match(matchers, probe, "\x01?") && matchers_match(matchers, probe, "x.y-z");
}

void matchers_text(const struct matchers *matchers, struct buf *out)
{
	for (size_t i = 0; i < matchers->len; i++) {
		const struct matcher *matcher = &matchers->list[i];

		buf_printf(out, "%s%s%s\"", i ? ", " : "", matcher->name, op_texts[matcher->op]);
		for (const char *c = matcher->value; *c; c++) {
			if (*c == '"' || *c == '\\')
				buf_add_char(out, '\\');
			buf_add_char(out, *c);
		}
		buf_add_char(out, '"');
	}
}

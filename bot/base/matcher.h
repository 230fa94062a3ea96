/*
 * matcher.h - selects alerts: name=value, !=, =~ and !~ (regular expressions of PCRE2, anchored,
 * without back-references), several joined by commas or blanks, as in Alertmanager. Parsed and
 * compiled once, then compared with any number of alerts; a struct matchers does not change and may
 * be used by several threads. Pure.
 */
#pragma once

#include "bot/base/buf.h"
#include "bot/base/err.h"

#define MATCHERS_MAX 32         /* as many labels as an alert of Prometheus has */
#define MATCHERS_PATTERNS_MAX 8 /* of them regular expressions */
#define MATCHERS_TEXT_MAX 4096  /* bytes of matchers_text() */
#define MATCHER_VALUE_MAX 256   /* bytes; also of a regular expression */

struct matchers;

/* The value of a name, borrowed until the next call, or NULL, which counts as "". */
typedef const char *(*matcher_value_fn)(const char *name, void *arg);

enum match {
	MATCH_NO,
	MATCH_YES,
	MATCH_LIMIT, /* a regular expression was aborted: it takes too long or too much memory */
};

/* ERR_INVALID: *why has the reason, for people. */
enum err matchers_parse(const char *text, struct matchers **out, char why[160]);
void matchers_free(struct matchers *matchers); /* NULL is allowed */
enum match matchers_match(const struct matchers *matchers, matcher_value_fn value, void *arg);
/* The value that a matcher name=value asks for, borrowed; NULL: there is none. */
const char *matchers_value(const struct matchers *matchers, const char *name);
/* The matchers as understood; parsing the text gives the same matchers. */
void matchers_text(const struct matchers *matchers, struct buf *out);
/* The name of a label that stands for a field: what labels cannot have becomes "_". Owned by the
 * caller; NULL: no label can stand for it. */
char *matcher_label(const char *field);
/* Adds len bytes in quotes, with " and \ escaped: a value as matchers_parse() reads it. */
void matchers_add_value(struct buf *out, const char *value, size_t len);

/*
 * matcher.h - which alerts are meant: name=value, !=, =~ and !~ (regular expressions, anchored),
 * several joined by commas or blanks, as Alertmanager writes them. Pure.
 */
#pragma once

#include "bot/base/buf.h"
#include "bot/base/err.h"

#define MATCHERS_MAX 8
#define MATCHER_VALUE_MAX 200 /* bytes */

struct matchers;

/* The value of a name, owned by the caller, or NULL: as "" then. */
typedef char *(*matcher_value_fn)(const char *name, const void *arg);

/* ERR_INVALID: *why says what is wrong, for people. */
enum err matchers_parse(const char *text, struct matchers **out, char why[160]);
void matchers_free(struct matchers *matchers); /* NULL is allowed */
bool matchers_match(const struct matchers *matchers, matcher_value_fn value, const void *arg);
/* True when nothing at all is left out. */
bool matchers_match_all(const struct matchers *matchers);
/* As understood; parses to the same again. */
void matchers_text(const struct matchers *matchers, struct buf *out);
/* True when the word has the form of a matcher. */
bool matcher_is(const char *word);

/*
 * template.h - the small language of the texts in [kind NAME] and of dashboard links.
 *
 * {name} stands for a value, {name:200} for at most 200 code points of it, {{ and }} for braces.
 * A line whose placeholders all have no value is left out; a missing value beside others is "?".
 * The template is the operator's and is trusted, values are not: they are made neutral, folded
 * to one line (all but {text}) and escaped for where they go.
 */
#pragma once

#include "bot/base/buf.h"

#define TEMPLATE_TEXT_MAX 2000 /* code points of {text}, and the most a template can ask for */
#define TEMPLATE_VALUE_MAX 200 /* code points of any other value */

enum template_form {
	TEMPLATE_PLAIN,   /* text, lines by \n */
	TEMPLATE_DERIVED, /* HTML made from a text template, lines by <br> */
	TEMPLATE_HTML,    /* HTML from an HTML template, lines by <br> */
	TEMPLATE_URI,     /* a URI, values percent-encoded */
};

/* The value of a name, owned by the caller, or NULL. */
typedef char *(*template_value_fn)(const char *name, const void *arg);

/* Adds the expanded template; no value takes more than cap code points. Returns how many
 * placeholders had no value. */
unsigned template_expand(struct buf *out, const char *text, enum template_form form, size_t cap,
        template_value_fn value, const void *arg);

/* Adds a value as HTML, inside <code> when a client might take a part of it for a link or a
 * mention. */
void template_add_value_html(
        struct buf *out, const char *text, size_t max_points, bool keep_newlines);

/*
 * template.h - the template language of [kind NAME] texts and of dashboard links.
 *
 * {name} stands for a value, {name:200} for at most 200 code points of it, {{ and }} for braces,
 * and ** in a text begins and ends bold. The first line is the headline: without ** of its own, all
 * of it except a leading {emoji} is bold. A line is left out if none of its placeholders has a
 * value, and so is the part after the bold part of the headline; a missing value beside others is
 * shown as "?".
 *
 * The template is the operator's and is trusted; values are not: they are made neutral, folded to
 * one line (except {text}) and escaped for their context. In the headline a value is plain if it is
 * harmless (words.h); elsewhere it is in <code>, and a long one keeps its end.
 */
#pragma once

#include "handlers/message/words.h"

#define TEMPLATE_TEXT_MAX 2000 /* code points of {text}; a template cannot ask for more */
#define TEMPLATE_VALUE_MAX 200 /* code points of any other value */

/* The value of a name, owned by the caller; NULL = no value. */
typedef char *(*template_value_fn)(const char *name, const void *arg);

struct template
{
	const char *text;
	template_value_fn value;
	const void *arg;
	const char *emoji; /* replaces {emoji} */
};

/* Adds the headline with its emoji. before and after (our own words, or "") are put at the
 * beginning and the end of the bold part; rest: what follows the bold part is added too. */
void template_headline(const struct template *of, struct words *out, const char *before,
        const char *after, bool rest);

/* Adds the headline for a list of one app's failures: in bold, without emoji and without a
 * leading "{app} · ". */
void template_entry(const struct template *of, struct words *out);

/* Adds the lines after the headline, each on a line of its own; false: there are none. */
bool template_details(const struct template *of, struct words *out);

/* Adds the first of these lines to the current line, without the label ("error: ") before its
 * value; false: there is none, and nothing is added. lead is put before it; struck: it is struck
 * through. */
bool template_detail(const struct template *of, struct words *out, const char *lead, bool struck);

/* Expands a template that is HTML; lines end with <br>. Inside an attribute a value is
 * percent-encoded. after is put at the end of the bold part of the first line. */
void template_html(const struct template *of, struct buf *out, const char *after);

/* Expands a URI, with percent-encoded values; false: a value is missing, or the URI is too long
 * for out. */
bool template_uri(const struct template *of, struct buf *out);

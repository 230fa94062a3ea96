/*
 * template.h - the small language of the texts in [kind NAME] and of dashboard links.
 *
 * {name} stands for a value, {name:200} for at most 200 code points of it, {{ and }} for braces,
 * and ** in a text begins and ends what is bold. The first line is the headline: without ** of its
 * own, all of it but a leading {emoji} is bold. A line whose placeholders all have no value is
 * left out, and so is what follows the bold part; a missing value beside others is "?".
 *
 * The template is the operator's and is trusted, values are not: they are made neutral, folded to
 * one line (all but {text}) and escaped for where they go. In the headline a value stands bare if
 * it is harmless (words.h); further down it stands in <code>, and a long one keeps its end.
 */
#pragma once

#include "handlers/message/words.h"

#define TEMPLATE_TEXT_MAX 2000 /* code points of {text}, and the most a template can ask for */
#define TEMPLATE_VALUE_MAX 200 /* code points of any other value */

/* The value of a name, owned by the caller, or NULL. */
typedef char *(*template_value_fn)(const char *name, const void *arg);

struct template
{
	const char *text;
	template_value_fn value;
	const void *arg;
	const char *emoji; /* what {emoji} stands for */
};

/* The headline with its emoji. before and after (our own words, or "") are put where the bold part
 * begins and ends; rest: what follows the bold part is said too. */
void template_headline(const struct template *of, struct words *out, const char *before,
        const char *after, bool rest);

/* The headline for a list of one app's failures: without emoji and without a leading "{app} · ",
 * bold. */
void template_entry(const struct template *of, struct words *out);

/* The lines after the headline, each on a line of its own; false: there is none. */
bool template_details(const struct template *of, struct words *out);

/* The first of these, without a label ("error: ") before its value, on the line that is there;
 * false: there is none, and nothing is said. lead is said before it; struck: it is over. */
bool template_detail(const struct template *of, struct words *out, const char *lead, bool struck);

/* A template that is HTML: lines by <br>. Inside an attribute a value is percent-encoded. after is
 * put at the end of what is bold on the first line. */
void template_html(const struct template *of, struct buf *out, const char *after);

/* A URI, values percent-encoded; false: a value is missing or it is too long for out. */
bool template_uri(const struct template *of, struct buf *out);

/*
 * command_what.c - see command_what.h.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "bot/base/alloc.h"
#include "bot/base/matcher.h"
#include "handlers/commands/command_what.h"

#define BLANKS " \t\r\n"
#define LEN(array) (sizeof(array) / sizeof((array)[0]))

/* As typed, and as it is meant; longer operators first. */
static const struct {
	const char *text, *meant;
} ops[] = {{"==", "="}, {"=~", "=~"}, {"!=", "!="}, {"!~", "!~"}, {"=", "="}};

static size_t name_len(const char *text)
{
	size_t len = 0;

	while (isalnum((unsigned char)text[len]) || (text[len] && strchr("_.-", text[len])))
		len++;
	return len;
}

/* The operator at text; its length in *len. NULL: there is none. */
static const char *find_op(const char *text, size_t *len)
{
	for (size_t i = 0; i < LEN(ops); i++) {
		*len = strlen(ops[i].text);
		if (strncmp(text, ops[i].text, *len) == 0)
			return ops[i].meant;
	}
	return NULL;
}

static bool begins_with_op(const char *text)
{
	size_t len;

	return find_op(text, &len);
}

bool command_what_is(const struct input *words)
{
	const char *word = input_peek(words, 0);
	size_t len = name_len(word);

	return len > 0 && begins_with_op(word[len] ? word + len : input_peek(words, 1));
}

/* Joins one matcher into one text, even with blanks around its operator; owned by the caller. */
static char *next_text(struct input *words)
{
	const char *word = input_next(words);
	char *text, *whole;
	size_t len = name_len(word), op_len;

	text = word[len] ? x_strdup(word) : x_asprintf("%s%s", word, input_next(words));
	if (!find_op(text + len, &op_len) || text[len + op_len])
		return text;
	whole = x_asprintf("%s%s", text, input_next(words));
	free(text);
	return whole;
}

/* Reads a value: in " with \" and \\ as escapes, in ', or up to a comma or blank; advances *at. */
static bool command_what_read_value(const char **at, struct buf *out)
{
	char quote = **at == '"' || **at == '\'' ? **at : '\0';
	const char *start = *at + (quote != '\0'), *end = start;

	if (!quote) {
		end += strcspn(start, "," BLANKS);
		*at = end;
		matchers_add_value(out, start, (size_t)(end - start));
		return end > start && !memchr(start, '"', (size_t)(end - start)) && end[-1] != '\'';
	}
	while (*end && *end != quote)
		end += quote == '"' && end[0] == '\\' && end[1] ? 2 : 1;
	if (*end != quote)
		return false;
	*at = end + 1;
	if (quote == '"') /* escaped already */
		buf_add(out, start - 1, (size_t)(end - start) + 2);
	else
		matchers_add_value(out, start, (size_t)(end - start));
	return true;
}

/* Phones capitalize the first word, so common keys are matched in any case; other names are used
 * as typed. */
static void command_what_add_name(struct buf *out, const char *name, size_t len)
{
	static const char *const known[] = {"app", "kind", "severity", "run_id", "key", "title"};

	for (size_t i = 0; i < LEN(known); i++)
		if (strlen(known[i]) == len && strncasecmp(name, known[i], len) == 0)
			name = known[i];
	buf_add(out, name, len);
}

/* Adds all matchers of one text: several may be joined by commas without blanks. */
static bool add_matchers(const char *text, struct buf *out, char why[160])
{
	const char *at = text;

	while (*at) {
		size_t len = name_len(at), op_len;
		const char *op;

		if (out->len)
			buf_add_char(out, ' ');
		command_what_add_name(out, at, len);
		at += len + strspn(at + len, BLANKS);
		op = len ? find_op(at, &op_len) : NULL;
		if (!op)
			break;
		at += op_len;
		at += strspn(at, BLANKS);
		buf_add_str(out, op);
		if (!command_what_read_value(&at, out) || (*at && !strchr("," BLANKS, *at)))
			break;
		at += strspn(at, "," BLANKS);
		if (!*at)
			return true;
	}
	snprintf(why, 160,
	        "Not understood: %.60s. A matcher looks like app=etl, "
	        "node_id=~\"etl.*\"",
	        text);
	return false;
}

bool command_what_read(struct input *words, struct buf *out, char why[160])
{
	while (command_what_is(words)) {
		char *text = next_text(words);
		bool good = add_matchers(text, out, why);
		struct input next = *words;

		free(text);
		if (!good)
			return false;
		next.at++;
		if (input_is_joint(input_peek(words, 0)) && command_what_is(&next))
			*words = next;
		if ((strcasecmp(input_peek(words, 0), "or") == 0 ||
		            strcmp(input_peek(words, 0), "||") == 0) &&
		        command_what_is(&next)) {
			snprintf(why, 160, "All matchers must match: make one silence for each.");
			return false;
		}
	}
	return true;
}

/*
 * argv.c - see argv.h.
 */
#include <stdbool.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/buf.h"
#include "bot/base/argv.h"

#define BLANKS " \t\r\n"

/* Takes one word from *at; NULL with *fault set when a quote or backslash is incomplete. */
static char *word_take(const char **at, struct fault *fault)
{
	const char *text = *at;
	struct buf word;
	char quote = '\0';

	buf_init(&word, strlen(text));
	for (; *text && (quote || !strchr(BLANKS, *text)); text++) {
		bool escapes = *text == '\\' && quote != '\'' &&
		               (!quote || text[1] == '"' || text[1] == '\\');

		if (escapes && !text[1]) {
			fault_set(fault, ERR_INVALID, "ends in a backslash");
			goto fail;
		} else if (escapes) {
			buf_add_char(&word, *++text);
		} else if (quote && *text == quote) {
			quote = '\0';
		} else if (!quote && (*text == '\'' || *text == '"')) {
			quote = *text;
		} else {
			buf_add_char(&word, *text);
		}
	}
	if (quote) {
		fault_set(fault, ERR_INVALID, "has a %c that is not closed", quote);
		goto fail;
	}
	*at = text;
	return buf_take(&word);
fail:
	buf_finish(&word);
	return NULL;
}

enum err argv_split(const char *text, char ***out, struct fault *fault)
{
	char **words = x_calloc(1, sizeof(*words));
	size_t len = 0;

	*out = NULL;
	for (text += strspn(text, BLANKS); *text; text += strspn(text, BLANKS)) {
		char *word = word_take(&text, fault);

		if (!word) {
			argv_free(words);
			return ERR_INVALID;
		}
		words = x_realloc(words, (len + 2) * sizeof(*words));
		words[len++] = word;
		words[len] = NULL;
	}
	if (len == 0) {
		argv_free(words);
		return fault_set(fault, ERR_INVALID, "has no word");
	}
	*out = words;
	return OK;
}

void argv_free(char **words)
{
	for (size_t i = 0; words && words[i]; i++)
		free(words[i]);
	free(words);
}

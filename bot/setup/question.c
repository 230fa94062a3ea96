/*
 * question.c - see question.h.
 */
#include "bot/setup/question.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include "bot/base/alloc.h"

#define LINE_BYTES 4096 /* as the line limit of a terminal */

bool question_possible(void)
{
	return isatty(STDIN_FILENO);
}

enum err question_text(const char *prompt, const char *fallback, char **out, struct fault *fault)
{
	char line[LINE_BYTES], *start = line;
	size_t len;

	*out = NULL;
	printf("%s%s%s%s: ", prompt, fallback && *fallback ? " [" : "", fallback ? fallback : "",
	        fallback && *fallback ? "]" : "");
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		return fault_set(fault, ERR_CANCELED, "the input ended");
	len = strlen(line);
	if (len == sizeof(line) - 1 && line[len - 1] != '\n')
		return fault_set(fault, ERR_TOO_LARGE, "an answer over %d bytes", LINE_BYTES - 2);
	while (len > 0 && isspace((unsigned char)line[len - 1]))
		line[--len] = '\0';
	start += strspn(line, " \t");
	*out = x_strdup(*start || !fallback ? start : fallback);
	return OK;
}

enum err question_yes(const char *prompt, bool fallback, bool *yes, struct fault *fault)
{
	char *text = NULL, *question = x_asprintf("%s %s", prompt, fallback ? "[Y/n]" : "[y/N]");
	enum err err;

	for (bool asked = false; !asked;) {
		err = question_text(question, NULL, &text, fault);
		if (err != OK || !text)
			break;
		*yes = *text ? tolower((unsigned char)*text) == 'y' : fallback;
		asked = !*text || strcasecmp(text, "y") == 0 || strcasecmp(text, "yes") == 0 ||
		        strcasecmp(text, "n") == 0 || strcasecmp(text, "no") == 0;
		free(text);
	}
	free(question);
	return err;
}

void question_begin(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf(" … ");
	fflush(stdout);
}

void question_end(const char *how)
{
	printf("%s\n", how);
	fflush(stdout);
}

/*
 * arguments.h - from what was typed or asked to the arguments of a command, as typed values: an
 * object that has the members of its row and nothing else. Words of a room and of a command line
 * are read alike. Pure.
 */
#pragma once

#include <jansson.h>
#include "handlers/commands/table.h"

#define ARGUMENTS_WORDS "words" /* the member of commands that read their words themselves */
#define ARGUMENTS_MAX 4096      /* bytes of one text */

/* Words, up to white space outside of double quotes; quotes and backslashes are kept. An array. */
json_t *arguments_split(const char *text);

/* From words to members: *args is owned by the caller. ERR_INVALID: why says what is wrong. */
enum err arguments_from_words(
        const struct command *command, const json_t *words, json_t **args, char why[160]);
/* From a request of the socket: what is no member is left out. *field: the one to blame. */
enum err arguments_from_request(const struct command *command, const json_t *request, json_t **args,
        const char **field, char why[160]);

/* A text without one pair of quotes around it, and what was escaped in it; owned by the caller. */
char *arguments_unquoted(const char *text);

/* Reading words one by one. */
struct input {
	const json_t *list; /* array of strings, borrowed */
	size_t at;
};

bool input_left(const struct input *words);
const char *input_peek(const struct input *words, size_t ahead); /* "" behind the end */
const char *input_next(struct input *words);
/* Those that are left, as one text without quotes around it; owned by the caller. */
char *input_rest(struct input *words);
/* True for "--" and "-": what follows is free text. */
bool input_is_dash(const char *word);

/*
 * arguments.h - turns typed words or a request into the arguments of a command: an object with
 * typed values for the members in its row of the table, and nothing else. Words are parsed in the
 * same way in rooms and on the command line. Pure.
 */
#pragma once

#include <jansson.h>
#include "handlers/commands/table.h"

#define ARGUMENTS_WORDS "words" /* the member of commands that parse their words themselves */
#define ARGUMENTS_MAX 4096      /* bytes of one text */

/* Splits at white space outside of double quotes; quotes and backslashes are kept. A new array. */
json_t *arguments_split(const char *text);

/* Words to arguments: *args is owned by the caller. ERR_INVALID: why says what is wrong. */
enum err arguments_from_words(
        const struct command *command, const json_t *words, json_t **args, char why[160]);
/* A request of the socket to arguments: unknown members are ignored. ERR_INVALID: *field is the
 * invalid member, or NULL. */
enum err arguments_from_request(const struct command *command, const json_t *request, json_t **args,
        const char **field, char why[160]);

/* The right that a request of the socket needs. */
enum command_right arguments_right(const struct command *command, const json_t *request);

/* Removes one pair of quotes around a text, and its escapes; owned by the caller. */
char *arguments_unquoted(const char *text);

/* A position in a list of words. */
struct input {
	const json_t *list; /* array of strings, borrowed */
	size_t at;
};

bool input_left(const struct input *words);
const char *input_peek(const struct input *words, size_t ahead); /* "" after the end */
const char *input_next(struct input *words);
/* The remaining words as one text without quotes around it; owned by the caller. */
char *input_rest(struct input *words);
/* True for "--" and "-", which are followed by free text. */
bool input_is_dash(const char *word);
/* True for a word that stands between the parts of a list, such as "and" or a comma alone. */
bool input_is_joint(const char *word);

/*
 * command_text.h - from what somebody wrote to a command and its words. Pure.
 */
#pragma once

#include "bot/config/config.h"
#include "handlers/commands/room_event.h"

#define COMMAND_TEXT_MAX 4096 /* bytes of a command that are looked at */
#define COMMAND_NAME_MAX 32

struct command_text {
	char name[COMMAND_NAME_MAX]; /* in lower case, without the prefix */
	char *args;                  /* owned; "" when there are none */
	const char *target;          /* event id that is replied to, or NULL; of the event */
	const char *root;            /* event id of the thread the answer belongs to */
	const char *thread;          /* event id of the thread it was written in, or NULL */
};

/* False: no command (other text, an edit, a notice, no text). */
bool command_text_read(
        const struct config *config, const struct room_event *event, struct command_text *out);
void command_text_finish(struct command_text *text);

/* The next word of *text, which is moved behind it: up to white space outside of double quotes;
 * quotes and backslashes are kept. "" at the end. Owned by the caller. */
char *command_word(const char **text);
/* The same without the quotes around a word. */
char *command_word_bare(const char **text);
/* A text without white space and one pair of quotes around it; owned by the caller. */
char *command_unquoted(const char *text);
/* True for "--", and for the long dash that phones make of it: what follows is free text. */
bool command_is_dash(const char *word);

/* The event that a relation of that type is about, or NULL. */
const char *command_relation(const json_t *content, const char *rel_type);

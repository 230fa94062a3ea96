/*
 * command_text.h - parses what somebody wrote into a command and its words. Pure.
 */
#pragma once

#include "bot/config/config.h"
#include "handlers/commands/arguments.h"
#include "handlers/commands/room_event.h"

struct command_text {
	char name[COMMAND_NAME_MAX]; /* in lower case, without the prefix */
	const char *said;            /* the whole command, for the audit; owned */
	json_t *words;               /* after the name, see arguments_split(); owned */
	json_t *args;                /* the arguments instead of words, or NULL; owned */
	const char *target; /* event id that is replied to, or NULL; borrowed from the event */
	const char *root;   /* event id of the thread the answer belongs to */
	const char *thread; /* event id of the thread it was written in, or NULL */
};

/* False: not a command (other text, an edit, a notice, no text). */
bool command_text_read(
        const struct config *config, const struct room_event *event, struct command_text *out);
void command_text_finish(struct command_text *text);

/* The event id of a relation of that type, or NULL. */
const char *command_relation(const json_t *content, const char *rel_type);

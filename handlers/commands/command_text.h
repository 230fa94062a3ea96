/*
 * command_text.h - from what somebody wrote to a command and its words. Pure.
 */
#pragma once

#include "bot/config/config.h"
#include "handlers/commands/arguments.h"
#include "handlers/commands/room_event.h"

struct command_text {
	char name[COMMAND_NAME_MAX]; /* in lower case, without the prefix */
	const char *said;            /* the whole command, for the audit; owned */
	json_t *words;               /* behind the name, as of arguments_split(); owned */
	json_t *args;                /* or the arguments themselves, NULL; owned */
	const char *target;          /* event id that is replied to, or NULL; of the event */
	const char *root;            /* event id of the thread the answer belongs to */
	const char *thread;          /* event id of the thread it was written in, or NULL */
};

/* False: no command (other text, an edit, a notice, no text). */
bool command_text_read(
        const struct config *config, const struct room_event *event, struct command_text *out);
void command_text_finish(struct command_text *text);

/* The event that a relation of that type is about, or NULL. */
const char *command_relation(const json_t *content, const char *rel_type);

/*
 * commands.h - what people tell the bot to do, in a room or over the socket: one implementation for
 * both.
 *
 * Runs inside a writer job (its thread, open transaction): a command's effect, its answer, its row
 * in the audit and the position of the sync are one commit, so each command is carried out once.
 */
#pragma once

#include "handlers/alerts/deliver.h"
#include "handlers/commands/report.h"
#include "handlers/commands/room_event.h"
#include "handlers/commands/table.h"

struct command_env {
	struct store *store;
	const struct config *config;
	int64_t now_ms;
	const struct report_status *status; /* without the members from storage */
	json_t *happened;                   /* array of events for subscribers, added to */
};

/* Handles one event of a room's timeline; ignores what is not a command. Fails only when storage
 * does. */
enum err commands_event(const struct command_env *env, const struct room_event *event);
/* False: commands_event() does nothing with it, whatever is stored, as with what people say to each
 * other. Pure. */
bool commands_concern(const struct config *config, const struct room_event *event);

struct command_reply {
	bool ok;
	const char *field; /* static: the invalid member; NULL = none */
	char *text;        /* for people; owned */
	json_t *data;      /* object, or NULL; owned */
};

/* Runs one command from the socket, with arguments from arguments_from_request(). who: "uid
 * 1000". */
enum err commands_request(const struct command_env *env, const char *who,
        const struct command *command, json_t *args, struct command_reply *reply);
void command_reply_finish(struct command_reply *reply);

/*
 * commands.h - what people tell the bot to do, in a room or over the socket: one implementation
 * for both.
 *
 * Runs inside a writer job (its thread, open transaction): a command's effect, its answer, its
 * row in the audit and the sync's position are one commit, so each is carried out once.
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
	const struct report_status *status; /* what the loop knows; storage's part is not filled */
	json_t *happened;                   /* array: what subscribers are told is added */
};

/* One event of a room's timeline; what is no command is left alone. Fails only when storage
 * does. */
enum err commands_event(const struct command_env *env, const struct room_event *event);

struct command_reply {
	bool ok;
	const char *field; /* static: the member to blame, where there is one */
	char *text;        /* for people; owned */
	json_t *data;      /* object, or NULL; owned */
};

/* One command from the socket, with arguments as of arguments_from_request(). who: "uid 1000". */
enum err commands_request(const struct command_env *env, const char *who,
        const struct command *command, json_t *args, struct command_reply *reply);
void command_reply_finish(struct command_reply *reply);

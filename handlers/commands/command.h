/*
 * command.h - what the commands share; for handlers/commands/ only. How to add a command: table.h.
 */
#pragma once

#include <jansson.h>
#include "bot/base/buf.h"
#include "bot/base/clock.h"
#include "handlers/commands/arguments.h"
#include "handlers/commands/command_text.h"
#include "handlers/commands/commands.h"
#include "handlers/commands/table.h"
#include "handlers/message/words.h"
#include "storage/messages.h"

#define COMMAND_LATE_MS (5 * CLOCK_MINUTE_MS)

/* One use of a command. */
struct command_call {
	const struct command_env *env;
	const struct command *command;
	const char *who;       /* Matrix user id, or "uid 1000" */
	const char *device_id; /* or NULL */
	const char *room;      /* name; NULL: from the socket */
	const char *room_id, *event_id;
	bool encrypted;     /* the room is */
	const char *target; /* event that is replied to, or NULL */
	const char *thread; /* root of the thread it was written in, or NULL */
	const char *root;   /* of the thread that the answer belongs to, or NULL */
	json_t *args;       /* arguments.h; owned */
	struct words text;  /* the answer */
	json_t *data;       /* the answer as JSON for the socket; created by command_data() */
	bool failed;        /* nothing was done */
	bool later;         /* the answer is posted later by another part */
	const char *field;  /* static: the invalid member; NULL: the first one */
	struct buf effect;  /* for the audit: what was done, in words */
};

/* An argument; NULL, 0 or false when it was not given. */
const char *command_arg(const struct command_call *call, const char *name);
int64_t command_number(const struct command_call *call, const char *name);
bool command_flag(const struct command_call *call, const char *name);
/* The words of a command that parses them itself; empty when the request used members. */
bool command_words(const struct command_call *call, struct input *words);

/* Adds our own words to the answer; \n begins a line. Use words_name() for text from outside. */
void command_say(struct command_call *call, const char *format, ...)
        __attribute__((format(printf, 2, 3)));
/* The same, and marks the command as failed: nothing was done. */
enum err command_fail(struct command_call *call, const char *format, ...)
        __attribute__((format(printf, 2, 3)));
/* Adds to what the audit records. */
void command_effect(struct command_call *call, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

json_t *command_data(struct command_call *call);
/* Reports that there is no such run, and suggests a similar one. */
enum err command_fail_run(struct command_call *call, const char *run);
/* The same where an app may be named too. */
enum err command_fail_name(struct command_call *call, const char *name);
/* *yes: the app is in the config, or alerts of it are stored. */
enum err command_is_app(struct command_call *call, const char *word, bool *yes);
/* *yes: there is an alert with that run id. */
enum err command_is_run(struct command_call *call, const char *word, bool *yes);
/* *yes: the word is a run, an app, or "all". */
enum err command_names(struct command_call *call, const char *word, bool *yes);
/* The newest app or run with a similar name: *near is owned by the caller, NULL when there is
 * none. */
enum err command_nearest_app(struct command_call *call, const char *word, char **near);
enum err command_nearest_run(struct command_call *call, const char *word, char **near);
/* Reports that there is no alert of that app; in command_status.c. */
enum err command_say_no_app(struct command_call *call, const char *app);
/* What the command replies to: that event, else the root of its thread. *len 0: it is in no reply,
 * or in one to something else than an alert. The caller frees the rows, also after an error. */
enum err command_target(struct command_call *call, struct entry_row **rows, size_t *len);
struct deliver command_deliver(const struct command_call *call);
/* The prefix in a room, "" on the command line. */
const char *command_prefix(const struct command_call *call);

/* Posts our own words as an answer in the thread of an event: m.notice, which mentions nobody. */
enum err command_post(const struct command_env *env, const char *room, const char *root,
        const char *reply_to, const char *text);

/* ---- also used by reactions.c; in commands.c ---- */

/* True when the sender may use commands, whatever device they use. */
bool command_may(const struct config *config, const struct room_event *event);
enum err command_audit(const struct command_env *env, const struct room_event *event,
        const char *command, const char *result, const char *effect);
/* The message for senders who may not use commands; owned by the caller. */
char *command_no_power(const struct config *config);
/* Answers that a command was refused, in the thread of root; limited in number, so that refusals
 * cannot flood a room. */
enum err command_refuse(const struct command_env *env, const struct room_event *event,
        const char *root, const char *command, const char *why);
/* Runs a parsed command, answers it and records it in the audit. */
enum err command_carry_out(const struct command_env *env, const struct room_event *event,
        const struct command_text *text);

/* reactions.c: what a reaction does to the alert it was added to, and what its removal does. */
enum err reaction_take(const struct command_env *env, const struct room_event *event);
bool reaction_concerns(const struct room_event *event); /* false: it has no meaning to anything */
enum err reaction_redacted(const struct command_env *env, const struct room_event *event);

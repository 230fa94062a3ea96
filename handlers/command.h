/*
 * command.h - what the commands share; for handlers/command*.c. One row a command in the table
 * in commands.c, its function in a file named after it.
 */
#pragma once

#include "bot/base/buf.h"
#include "handlers/commands.h"

#define COMMAND_ANSWER_MAX (24 * 1024) /* bytes: fits an event with its HTML and encryption */

/* One use of a command. */
struct command_call {
	const struct command_env *env;
	const char *who;       /* Matrix user id, or "uid 1000" */
	const char *device_id; /* or NULL */
	const char *room;      /* name; NULL: from the socket */
	const char *room_id, *event_id;
	const char *target; /* event that is replied to, or NULL */
	const char *args;
	struct buf text;   /* the answer, lines by \n */
	json_t *data;      /* the same as data, for the socket; made when first asked for */
	bool failed;       /* nothing was done */
	struct buf effect; /* in words, for the audit */
};

struct command {
	const char *name, *usage, *help;
	enum err (*run)(struct command_call *call);
};

/* Keep alphabetized. */
extern const struct command commands[];
extern const size_t commands_len;

const struct command *command_find(const char *name);
/* The nearest name, or NULL when none is near. */
const char *command_nearest(const char *name);

/* Adds to the answer; text from outside is given to text_add_plain() instead. */
void command_say(struct command_call *call, const char *format, ...)
        __attribute__((format(printf, 2, 3)));
/* The same, and nothing was done. */
enum err command_fail(struct command_call *call, const char *format, ...)
        __attribute__((format(printf, 2, 3)));
/* For the audit. */
void command_effect(struct command_call *call, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

json_t *command_data(struct command_call *call);
struct deliver command_deliver(const struct command_call *call);
/* The prefix in a room, "" on the command line. */
const char *command_prefix(const struct command_call *call);

/* An answer in the thread of an event: m.notice, which mentions nobody. */
enum err command_post(const struct command_env *env, const char *room, const char *root,
        const char *reply_to, const char *text);

/* command_heartbeat.c */
enum err command_heartbeat(struct command_call *call);

/* command_help.c */
enum err command_help(struct command_call *call);

/* command_ack.c */
enum err command_ack(struct command_call *call);
enum err command_unack(struct command_call *call);

/* command_silence.c */
enum err command_silence(struct command_call *call);
enum err command_silences(struct command_call *call);
enum err command_unsilence(struct command_call *call);
/* "30m", "1d12h"; false: it is no duration. */
bool silence_duration(const char *text, int64_t *ms);

/* command_status.c */
enum err command_alert(struct command_call *call);
enum err command_alerts(struct command_call *call);
enum err command_retry(struct command_call *call);
enum err command_status(struct command_call *call);

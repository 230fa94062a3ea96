/*
 * command.h - what the commands share; for handlers/command*.c. One row a command in the table
 * in commands.c, its function in a file named after it.
 */
#pragma once

#include "bot/base/buf.h"
#include "bot/base/clock.h"
#include "handlers/commands/commands.h"

#define COMMAND_ANSWER_MAX (16 * 1024) /* bytes */
#define COMMAND_LATE_MS (5 * CLOCK_MINUTE_MS)

/* One use of a command. */
struct command_call {
	const struct command_env *env;
	const char *who;       /* Matrix user id, or "uid 1000" */
	const char *device_id; /* or NULL */
	const char *room;      /* name; NULL: from the socket */
	const char *room_id, *event_id;
	const char *target; /* event that is replied to, or NULL */
	const char *thread; /* root of the thread it was written in, or NULL */
	const char *args;
	struct buf text;   /* the answer, lines by \n */
	char *link;        /* to a dashboard, behind it; owned, or NULL */
	json_t *data;      /* the same as data, for the socket; made when first asked for */
	bool failed;       /* nothing was done */
	struct buf effect; /* in words, for the audit */
};

struct command {
	const char *name, *usage, *help;
	const char *example; /* without the prefix; what it does stands behind " — " */
	enum err (*run)(struct command_call *call);
	bool reads; /* changes nothing: from the socket it is not kept, and works on a full disk */
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
/* A run id, or an app, of the newest alerts that is like that word: *near is owned by the caller,
 * NULL when there is none. */
enum err command_nearest_run(struct command_call *call, const char *word, char **near);
enum err command_nearest_app(struct command_call *call, const char *word, char **near);
struct deliver command_deliver(const struct command_call *call);
/* The prefix in a room, "" on the command line. */
const char *command_prefix(const struct command_call *call);

/* An answer in the thread of an event: m.notice, which mentions nobody. link may be NULL. */
enum err command_post(const struct command_env *env, const char *room, const char *root,
        const char *reply_to, const char *text, const char *link);

/* ---- the frame, for reactions.c; in commands.c ---- */

struct command_text;

/* True for those who may command, whatever their device. */
bool command_may(const struct config *config, const struct room_event *event);
enum err command_audit(const struct command_env *env, const struct room_event *event,
        const char *command, const char *result, const char *effect);
/* Politely, and not more often than anybody wants to read it; root NULL: without a word. */
enum err command_refuse(const struct command_env *env, const struct room_event *event,
        const char *root, const char *command, const char *why);
enum err command_carry_out(const struct command_env *env, const struct room_event *event,
        const struct command_text *text, const char *command);

/* reactions.c: ✅ and 👍 ack what they are put on, 🔕 silences its app; and when one is taken away
 * again. */
enum err reaction_take(const struct command_env *env, const struct room_event *event);
enum err reaction_redacted(const struct command_env *env, const struct room_event *event);

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

/* command_status.c */
enum err command_alert(struct command_call *call);
enum err command_alerts(struct command_call *call);
enum err command_retry(struct command_call *call);
enum err command_status(struct command_call *call);

/* command_test.c */
enum err command_test(struct command_call *call);

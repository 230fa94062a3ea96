/*
 * ops_internal.h - what the verbs share; for bot/ops/ alone.
 */
#pragma once

#include "bot/ops/op_counts.h"
#include "bot/ops/ops.h"
#include "bot/intake/turns.h"
#include "handlers/alerts/deliver.h"
#include "handlers/commands/arguments.h"

/* What apps handed in that is on its way to the disk. Over it, who has OPS_ALERTS_FEW there is
 * answered with retry:true; over twice that, everybody. */
#define OPS_ALERTS_MAX 4096
#define OPS_ALERTS_FEW 16
/* Of it, so much is done at once: whoever comes then waits no longer than that takes. */
#define OPS_INTAKE_MAX 512
#define OPS_WAITERS_MAX 1024
#define OPS_SUBSCRIBERS_MAX 32

struct op_command;
struct op_waiter;
struct op_subscriber;

struct ops {
	struct ops_env env;
	struct config *config;
	unsigned alerts;     /* and heartbeats on their way to the disk */
	struct turns *turns; /* those of them whose turn it is not yet */
	bool taking;         /* a job for the next of them is submitted */
	unsigned jobs;       /* writer jobs not done */
	struct op_waiter *waiters;
	unsigned waiters_len;
	struct op_command *commands, **commands_end; /* whose turn it is not yet */
	bool command_running;
	bool check_running, check_again; /* of the waiters */
	uv_timer_t timer;                /* the waiters' deadlines */
	struct op_subscriber *subscribers;
	unsigned subscribers_len;
	struct op_counts counts;
	bool closing;
	void (*closed)(void *arg);
	void *closed_arg;
};

typedef void (*op_fn)(
        struct ops *ops, const json_t *request, const struct alert_peer *peer, struct reply *reply);

void op_accept(struct ops *, const json_t *, const struct alert_peer *, struct reply *);
void op_alert(struct ops *, const json_t *, const struct alert_peer *, struct reply *);
void op_command(struct ops *, const json_t *, const struct alert_peer *, struct reply *);
void op_firing(struct ops *, const json_t *, const struct alert_peer *, struct reply *);
void op_heartbeat(struct ops *, const json_t *, const struct alert_peer *, struct reply *);
void op_metrics(struct ops *, const json_t *, const struct alert_peer *, struct reply *);
void op_reload(struct ops *, const json_t *, const struct alert_peer *, struct reply *);
void op_subscribe(struct ops *, const json_t *, const struct alert_peer *, struct reply *);
void op_verify(struct ops *, const json_t *, const struct alert_peer *, struct reply *);
void op_wait(struct ops *, const json_t *, const struct alert_peer *, struct reply *);

/* A writer job that counts in ops->jobs; done gets what writer_done_fn gets. */
void ops_submit(struct ops *ops, writer_work_fn work, writer_done_fn done, void *arg);
/* Call last in every such done(). */
void ops_job_done(struct ops *ops);

/*
 * What an app handed in: work() is done in its turn, inside a writer job, perhaps twice when it or
 * another fails and is undone; done() gets what writer_done_fn gets. way: reply_way(), 0 = none.
 */
typedef enum err (*ops_intake_fn)(const struct deliver *d, void *arg);
void ops_intake(struct ops *ops, const char *app, uint64_t way, ops_intake_fn work,
        writer_done_fn done, void *arg);
/* Too much waits to take more of that app or by that connection. */
bool ops_intake_is_full(const struct ops *ops, const char *app, const struct reply *reply);

/* For ops_take(): a heartbeat, and the refusal of what can never be taken in. */
void ops_take_heartbeat(struct ops *ops, const json_t *request, ops_taken_fn done, void *arg);
void ops_take_refusal(
        struct ops *ops, const struct alert_fault *fault, ops_taken_fn done, void *arg);

/* Answers with the error of a failed job. */
void ops_reply_failure(struct reply *reply, enum err result, const char *message);

/* The arguments of a request, as its row in the table of commands wants them; owned by the caller.
 * NULL: the reply was given. */
json_t *ops_arguments(const json_t *request, const struct command **command, struct reply *reply);

/* Whether a peer has a right; what changes things and whom the bot trusts may be for few. False:
 * the reply was given. */
bool ops_may(const struct ops *ops, enum command_right right, const struct alert_peer *peer,
        struct reply *reply);

/* op_wait.c and op_subscribe.c */
void ops_waiters_check(struct ops *ops);
void ops_waiters_end(struct ops *ops);
void ops_publish(struct ops *ops, json_t *event); /* takes the reference */
/* ops_happened() for each of an array of events, which stays the caller's. */
void ops_happened_all(struct ops *ops, const json_t *events);
void ops_subscribers_end(struct ops *ops);

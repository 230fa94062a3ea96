/*
 * ops_internal.h - what the ops share; for bot/ops/ only.
 */
#pragma once

#include <sys/queue.h>
#include "bot/ops/op_counts.h"
#include "bot/ops/ops.h"
#include "bot/intake/turns.h"
#include "handlers/alerts/deliver.h"
#include "handlers/commands/arguments.h"

/* Limit for alerts and heartbeats waiting to be stored. Above it, an app or connection with
 * OPS_ALERTS_FEW of them gets retry:true; above twice the limit, everyone does. */
#define OPS_ALERTS_MAX 4096
#define OPS_ALERTS_FEW 16
/* How many of them one job stores. It bounds how long a new request waits for the current job. */
#define OPS_INTAKE_MAX 512
#define OPS_WAITERS_MAX 1024 /* a check looks each of their alerts up */
#define OPS_SUBSCRIBERS_MAX 32

struct op_waiter;
struct op_subscriber;

struct ops {
	struct ops_env env;
	struct config *config;
	unsigned alerts;     /* alerts and heartbeats waiting to be stored */
	struct turns *turns; /* those not yet in a job */
	bool taking;         /* a job for the next ones is submitted */
	unsigned jobs;       /* writer jobs not done */
	struct op_waiter *waiters;
	unsigned waiters_len;
	STAILQ_HEAD(, ops_read) reads; /* not yet started */
	bool read_running;
	bool check_running, check_again; /* check of the waiters */
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

/* Submits a writer job that is counted in ops->jobs. */
void ops_submit(struct ops *ops, writer_work_fn work, writer_done_fn done, void *arg);
/* Call last in every done() of such a job. */
void ops_job_done(struct ops *ops);

/*
 * Queues a request of an app: work() runs in its turn inside a writer job, perhaps twice, since a
 * failure of any request rolls all back; done() gets what writer_done_fn gets. way: reply_way(), 0
 * = none.
 */
typedef enum err (*ops_intake_fn)(const struct deliver *d, void *arg);
void ops_intake(struct ops *ops, const char *app, uint64_t way, ops_intake_fn work,
        writer_done_fn done, void *arg);
/* Whether too much is waiting to accept more from that app or connection. */
bool ops_intake_is_full(const struct ops *ops, const char *app, const struct reply *reply);

/* For ops_take(): accepts an alert or a heartbeat, or refuses an invalid request. */
void ops_take_alert(struct ops *ops, const json_t *request, ops_taken_fn done, void *arg);
void ops_take_heartbeat(struct ops *ops, const json_t *request, ops_taken_fn done, void *arg);
void ops_take_refusal(
        struct ops *ops, const struct alert_fault *fault, ops_taken_fn done, void *arg);

/* A request that may read much; embedded in what it is about, which done() frees. */
struct ops_read {
	struct reply *reply;
	bool changes; /* it is carried out even if its client has left */
	writer_work_fn work;
	writer_done_fn done;
	void *arg;
	struct ops *ops;
	STAILQ_ENTRY(ops_read) link;
};

/* Runs it in its turn: the caller has filled the members up to arg. The client's next request waits
 * until it is answered. done() gets ERR_CANCELED when the client has left; perhaps before
 * ops_read() returns. */
void ops_read(struct ops *ops, struct ops_read *read);

/* Answers with the error of a failed job. */
void ops_reply_failure(struct reply *reply, enum err result, const char *message);

/* The arguments of a request, converted as its row in the table of commands requires; owned by the
 * caller. NULL after an error was sent as the reply. */
json_t *ops_arguments(const json_t *request, const struct command **command, struct reply *reply);

/* Whether a peer has a right, which the config may restrict. False after an error was sent as the
 * reply. */
bool ops_may(const struct ops *ops, enum command_right right, const struct alert_peer *peer,
        struct reply *reply);

/* op_wait.c and op_subscribe.c */
void ops_waiters_check(struct ops *ops);
void ops_waiters_end(struct ops *ops);
void ops_publish(struct ops *ops, json_t *event); /* takes the reference */
/* ops_happened() for each of an array of events, which stays the caller's. */
void ops_happened_all(struct ops *ops, const json_t *events);
void ops_subscribers_end(struct ops *ops);

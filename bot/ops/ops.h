/*
 * ops.h - the operations (ops) of the socket: what each request does and answers.
 *
 * The ops are rows of the table of commands (handlers/commands/table.h); one that is not a command
 * of the rooms has a file here and a line in ops.c. An op gets a request and a reply, which it
 * answers once, at any later time. Decisions come from handlers/, texts from
 * handlers/commands/report.h, so that rooms give the same answers.
 */
#pragma once

#include <jansson.h>
#include <uv.h>
#include "bot/config/config.h"
#include "bot/delivery/courier.h"
#include "bot/intake/server.h"
#include "bot/vault/vault.h"
#include "bot/loop/reload.h"
#include "bot/loop/writer.h"
#include "handlers/commands/report.h"

struct ops;

struct ops_env {
	uv_loop_t *loop;
	struct writer *writer;
	struct courier *courier;
	/* Fills in what the loop knows for `status`; rooms and watches are arrays the callee
	 * allocates and the caller frees. Pointers are valid until the loop's next event. */
	void (*on_status)(struct report_status *status, void *arg);
	struct vault *(*on_vault)(void *arg); /* must outlive the ops */
	/* Something was published to subscribers. */
	void (*on_published)(void *arg);
	/* Reloads the config, see reload_ask(). */
	void (*on_reload)(reload_done_fn done, void *done_arg, void *arg);
	void *arg;
};

struct ops *ops_create(const struct ops_env *env, struct config *config);
void ops_configure(struct ops *ops, struct config *config);

/* One request from the socket; the reply is answered exactly once. */
void ops_request(
        struct ops *ops, const json_t *request, const struct alert_peer *peer, struct reply *reply);

/* Whether somebody waits for the results of events. */
bool ops_is_awaited(const struct ops *ops);
/* Call when an event was confirmed, found undeliverable, or failed: informs waiters and
 * subscribers. */
void ops_result(struct ops *ops, const char *what, const char *room, int64_t outbox_id,
        const char *event_id, enum err code, const char *error);

/* Publishes any other event to subscribers; takes the reference. */
void ops_happened(struct ops *ops, json_t *event);

/* Accepts an alert or heartbeat that did not come from the socket but from the spool. done gets
 * ERR_INVALID when it is invalid, ERR_FULL or another error when it must be tried again later. It
 * runs exactly once, never before ops_take() returns. */
typedef void (*ops_taken_fn)(enum err result, const char *message, void *arg);
void ops_take(struct ops *ops, const json_t *request, ops_taken_fn done, void *arg);

/* Answers all waiters with an error; then calls closed(arg) once no job is in progress, and
 * frees. */
void ops_close(struct ops *ops, void (*closed)(void *arg), void *arg);

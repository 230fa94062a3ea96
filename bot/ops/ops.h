/*
 * ops.h - the verbs of the socket: what each request does and answers.
 *
 * The ops are rows of the table of commands (handlers/commands/table.h); one that is no command of
 * the rooms has a file here, and a line in ops.c. A verb gets a request and a reply; it answers
 * once, at any later time. What it decides comes from handlers/, what it says from
 * handlers/commands/report.h, so that rooms can give the same answers.
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
	 * allocates and the caller frees. Pointers are good until the loop's next event. */
	void (*on_status)(struct report_status *status, void *arg);
	struct vault *(*on_vault)(void *arg); /* lives as long as the ops */
	/* Something happened that subscribers are told. */
	void (*on_published)(void *arg);
	/* Reads the config anew, see reload_ask(). */
	void (*on_reload)(reload_done_fn done, void *done_arg, void *arg);
	void *arg;
};

struct ops *ops_create(const struct ops_env *env, struct config *config);
void ops_configure(struct ops *ops, struct config *config);

/* One request from the socket; the reply is answered exactly once. */
void ops_request(
        struct ops *ops, const json_t *request, const struct alert_peer *peer, struct reply *reply);

/* An event was confirmed, found undeliverable, or failed: for those who wait or have subscribed. */
void ops_result(struct ops *ops, const char *what, const char *room, int64_t outbox_id,
        const char *event_id, enum err code, const char *error);

/* Something else that subscribers are told; takes the reference. */
void ops_happened(struct ops *ops, json_t *event);

/* Takes in an alert or heartbeat that came by another way (the spool). result ERR_INVALID: it is
 * none, ERR_FULL or others: try again later. Runs exactly once, never before this returns. */
typedef void (*ops_taken_fn)(enum err result, const char *message, void *arg);
void ops_take(struct ops *ops, const json_t *request, ops_taken_fn done, void *arg);

/* Answers all who wait with an error; then calls closed(arg) once no job is under way. */
void ops_close(struct ops *ops, void (*closed)(void *arg), void *arg);

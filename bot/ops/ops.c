/*
 * ops.c - the table of ops, and functions they share. See ops.h.
 */
#include <assert.h>
#include <string.h>
#include <unistd.h>
#include "bot/base/alloc.h"
#include "bot/base/buf.h"
#include "bot/base/log.h"
#include "bot/loop/happened.h"
#include "bot/ops/ops_internal.h"

/* Ops that are not commands of the rooms. */
static const struct {
	const char *name;
	op_fn run;
} verbs[] = {
        {"accept", op_accept},
        {"alert", op_alert},
        {"firing", op_firing},
        {"heartbeat", op_heartbeat},
        {"metrics", op_metrics},
        {"reload", op_reload},
        {"subscribe", op_subscribe},
        {"verify", op_verify},
        {"wait", op_wait},
};

#define VERBS_LEN (sizeof(verbs) / sizeof(verbs[0]))
#define MESSAGE_MAX 512

static void ops_unknown(const char *name, struct reply *reply)
{
	const struct command *near = command_nearest(name, COMMAND_SOCKET);
	struct buf message;

	buf_init(&message, MESSAGE_MAX);
	if (near) {
		buf_printf(&message, "unknown op; did you mean \"%s\"?", near->name);
	} else {
		buf_add_str(&message, "op must be one of ");
		command_add_names(COMMAND_SOCKET, &message);
	}
	reply_error(reply, "invalid", "op", buf_str(&message), false);
	buf_finish(&message);
}

static op_fn ops_find(const char *name)
{
	for (size_t i = 0; i < VERBS_LEN; i++)
		if (strcmp(verbs[i].name, name) == 0)
			return verbs[i].run;
	return op_command;
}

void ops_request(
        struct ops *ops, const json_t *request, const struct alert_peer *peer, struct reply *reply)
{
	const json_t *op = json_object_get(request, "op");
	const struct command *command;

	if (ops->closing) {
		reply_error(reply, "stopping", NULL, "the daemon is stopping", true);
		return;
	}
	if (!json_is_string(op)) {
		reply_error(reply, "invalid", "op", op ? "op must be a string" : "op is missing",
		        false);
		return;
	}
	command = command_find(json_string_value(op), COMMAND_SOCKET);
	if (!command)
		ops_unknown(json_string_value(op), reply);
	else if (ops_may(ops, arguments_right(command, request), peer, reply))
		ops_find(command->name)(ops, request, peer, reply);
}

json_t *ops_arguments(const json_t *request, const struct command **command, struct reply *reply)
{
	const char *name = json_string_value(json_object_get(request, "op")), *field;
	char why[160];
	json_t *args;

	*command = command_find(name, COMMAND_SOCKET);
	if (arguments_from_request(*command, request, &args, &field, why) == OK)
		return args;
	reply_error(reply, "invalid", field, why, false);
	return NULL;
}

void ops_reply_failure(struct reply *reply, enum err result, const char *message)
{
	reply_error(reply, err_name(result), NULL,
	        message && message[0] ? message : err_text(result), err_is_own(result));
}

static bool is_admin(const struct config *config, const struct alert_peer *peer)
{
	for (size_t i = 0; i < config->socket.admin_uid_len; i++)
		if (peer->uid == (int64_t)config->socket.admin_uid[i])
			return true;
	for (size_t i = 0; i < config->socket.admin_gid_len; i++)
		if (peer->gid == (int64_t)config->socket.admin_gid[i])
			return true;
	return peer->uid == 0 || peer->uid == (int64_t)geteuid();
}

bool ops_may(const struct ops *ops, enum command_right right, const struct alert_peer *peer,
        struct reply *reply)
{
	const struct config *config = ops->config;
	bool limited = config->socket.admin_uid_len > 0 || config->socket.admin_gid_len > 0;

	if ((right == COMMAND_CHANGES && !limited) || right < COMMAND_CHANGES ||
	        is_admin(config, peer))
		return true;
	reply_error(reply, "denied", NULL,
	        "only root, the daemon's own user and [socket] admin_uid and admin_gid may do that",
	        false);
	return false;
}

/* Logs once what the default rights allow, if the config does not set them. */
static void log_rights(const struct config *config)
{
	if (config->socket.admin_uid_len == 0 && config->socket.admin_gid_len == 0)
		log_info("ops", "everybody who may send alerts may also acknowledge, silence and "
		                "resolve them ([socket] admin_uid and admin_gid limit that)");
}

void ops_submit(struct ops *ops, writer_work_fn work, writer_done_fn done, void *arg)
{
	ops->jobs++;
	writer_submit(ops->env.writer, work, done, arg);
}

static void ops_free(struct ops *ops)
{
	void (*closed)(void *arg) = ops->closed;
	void *arg = ops->closed_arg;

	config_unref(ops->config);
	turns_destroy(ops->turns);
	free(ops);
	closed(arg);
}

static void ops_on_timer_closed(uv_handle_t *handle)
{
	ops_free(handle->data);
}

static void ops_maybe_closed(struct ops *ops)
{
	if (ops->closing && ops->jobs == 0 && !uv_is_closing((uv_handle_t *)&ops->timer))
		uv_close((uv_handle_t *)&ops->timer, ops_on_timer_closed);
}

void ops_job_done(struct ops *ops)
{
	assert(ops->jobs > 0);
	ops->jobs--;
	ops_maybe_closed(ops);
}

bool ops_is_awaited(const struct ops *ops)
{
	return ops->waiters || ops->subscribers;
}

void ops_result(struct ops *ops, const char *what, const char *room, int64_t outbox_id,
        const char *event_id, enum err err, const char *error)
{
	if (ops->closing)
		return;
	ops_publish(ops, json_pack("{s:s, s:s, s:s, s:I, s:s?, s:s, s:s?}", "event",
	                         event_id ? "sent" : "failed", "what", what, "room", room, "outbox",
	                         (json_int_t)outbox_id, "event_id", event_id, "result",
	                         err == OK ? "ok" : err_name(err), "error", error));
	ops_waiters_check(ops);
}

void ops_happened(struct ops *ops, json_t *event)
{
	if (ops->closing)
		json_decref(event);
	else
		ops_publish(ops, event);
}

static void ops_on_happened(json_t *event, void *arg)
{
	ops_happened(arg, event);
}

void ops_happened_all(struct ops *ops, const json_t *events)
{
	happened_tell(events, ops_on_happened, ops);
}

struct ops *ops_create(const struct ops_env *env, struct config *config)
{
	struct ops *ops = x_calloc(1, sizeof(*ops));

	ops->env = *env;
	ops->config = config_ref(config);
	ops->turns = turns_create();
	STAILQ_INIT(&ops->reads);
	uv_timer_init(env->loop, &ops->timer);
	ops->timer.data = ops;
	log_rights(config);
	return ops;
}

void ops_configure(struct ops *ops, struct config *config)
{
	config_replace(&ops->config, config);
}

void ops_close(struct ops *ops, void (*closed)(void *arg), void *arg)
{
	assert(!ops->closing);
	ops->closing = true;
	ops->closed = closed;
	ops->closed_arg = arg;
	ops_waiters_end(ops);
	ops_subscribers_end(ops);
	ops_maybe_closed(ops);
}

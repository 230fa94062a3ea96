/*
 * op_command.c - ops "ack", "alerts", "silence", …: the rooms' commands, sent over the socket.
 * Both share one implementation (handlers/commands/commands.h).
 */
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/ops/ops_internal.h"
#include "handlers/commands/commands.h"

struct op_command {
	struct ops_read read;
	struct config *config; /* referenced */
	const struct command *command;
	json_t *args; /* owned */
	int64_t uid;
	char who[80];                /* "" = the name of uid, which the job looks up */
	struct report_status status; /* a copy */
	json_t *happened;
	struct command_reply result;
};

static enum err command_work(struct store *store, void *arg)
{
	struct op_command *op = arg;
	struct command_env env = {
	        .store = store,
	        .config = op->config,
	        .now_ms = clock_now_ms(),
	        .status = &op->status,
	        .happened = op->happened,
	};

	if (!op->who[0])
		peer_name(op->uid, op->who, sizeof(op->who));
	return commands_request(&env, op->who, op->command, op->args, &op->result);
}

static void command_free(struct op_command *op)
{
	command_reply_finish(&op->result);
	report_status_finish(&op->status);
	json_decref(op->happened);
	config_unref(op->config);
	json_decref(op->args);
	free(op);
}

static void command_done(enum err result, const char *message, void *arg)
{
	struct op_command *op = arg;
	struct ops *ops = op->read.ops;
	json_t *answer;

	if (result != OK) {
		ops_reply_failure(op->read.reply, result, message);
	} else if (!op->result.ok) {
		reply_error(op->read.reply, "invalid", op->result.field, op->result.text, false);
	} else {
		answer = op->result.data ? json_incref(op->result.data) : json_object();
		json_object_set_new(answer, "text", json_string(op->result.text));
		reply_ok(op->read.reply, answer);
		ops_happened_all(ops, op->happened);
		courier_poke(ops->env.courier);
		ops_waiters_check(ops);
	}
	command_free(op);
}

void op_command(
        struct ops *ops, const json_t *request, const struct alert_peer *peer, struct reply *reply)
{
	struct report_status status = {.now_ms = clock_now_ms(), .version = BOT_VERSION};
	const struct command *command;
	json_t *args = ops_arguments(request, &command, reply);
	struct op_command *op;

	if (!args)
		return;
	op = x_calloc(1, sizeof(*op));
	op->config = config_ref(ops->config);
	op->command = command;
	op->args = args;
	if (peer->name)
		snprintf(op->who, sizeof(op->who), "token %s", peer->name);
	op->uid = peer->uid;
	ops->env.on_status(&status, ops->env.arg);
	report_status_take(&status, &op->status);
	op->happened = json_array();
	op->read = (struct ops_read){.reply = reply,
	        .changes = arguments_right(command, request) != COMMAND_READS,
	        .work = command_work,
	        .done = command_done,
	        .arg = op};
	ops_read(ops, &op->read);
}

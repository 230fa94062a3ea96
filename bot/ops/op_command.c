/*
 * op_command.c - ops "ack", "alerts", "silence", …: the commands of the rooms, from the socket. One
 * implementation for both (handlers/commands/commands.h).
 */
#include <inttypes.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/buf.h"
#include "bot/base/clock.h"
#include "bot/ops/ops_internal.h"
#include "handlers/commands/commands.h"

#define ARGS_MAX 4096

struct op_command {
	struct ops *ops;
	struct reply *reply;
	struct config *config; /* referenced */
	char *name, *args, who[32];
	const char *field;           /* static: the member that a refusal is about */
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

	return commands_request(&env, op->who, op->name, op->args, &op->result);
}

static void command_done(enum err result, const char *message, void *arg)
{
	struct op_command *op = arg;
	struct ops *ops = op->ops;
	json_t *answer, *event;
	size_t i;

	if (result != OK) {
		ops_reply_failure(op->reply, result, message);
	} else if (!op->result.ok) {
		reply_error(op->reply, "invalid", op->field, op->result.text, false);
	} else {
		answer = op->result.data ? json_incref(op->result.data) : json_object();
		json_object_set_new(answer, "text", json_string(op->result.text));
		reply_ok(op->reply, answer);
		json_array_foreach(op->happened, i, event)
		{
			ops_happened(ops, json_incref(event));
		}
		courier_poke(ops->env.courier);
	}
	command_reply_finish(&op->result);
	report_status_finish(&op->status);
	json_decref(op->happened);
	config_unref(op->config);
	free(op->name);
	free(op->args);
	free(op);
	ops_job_done(ops);
}

/* A time that is none must not become a part of the reason. NULL: it is one. */
static const char *time_fault(const char *name, const char *text)
{
	bool digit = *text >= '0' && *text <= '9';

	if (strcmp(name, "start") == 0 && !digit)
		return "start must be like 22:00";
	if (strcmp(name, "duration") == 0 && !digit && strncmp(text, "until ", 6) != 0)
		return "duration must be like 2h, until 07:00 or until resolved";
	return NULL;
}

/* What a command mainly wants; whoever gave `args` knows no other name. */
static const char *field_of(const json_t *request, const char *op)
{
	static const struct {
		const char *op, *field;
	} wants[] = {{"ack", "run_id"}, {"alert", "run_id"}, {"retry", "id"}, {"silence", "what"},
	        {"unack", "run_id"}, {"unsilence", "id"}};

	for (size_t i = 0; i < sizeof(wants) / sizeof(wants[0]); i++)
		if (strcmp(op, wants[i].op) == 0 && !json_object_get(request, "args"))
			return wants[i].field;
	return "args";
}

/* What would stand behind the command's name in a room: `args`, or the members by their names.
 * NULL: a reply was given. */
static char *args_of(const json_t *request, struct reply *reply)
{
	static const struct {
		const char *name, *before; /* what stands before it */
	} members[] = {{"args", ""}, {"app", ""}, {"run_id", ""}, {"what", ""}, {"id", ""},
	        {"limit", ""}, {"start", "from "}, {"duration", ""}, {"note", "-- "},
	        {"reason", "-- "}};
	struct buf text;

	buf_init(&text, ARGS_MAX);
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		const json_t *value = json_object_get(request, members[i].name);
		const char *string = json_string_value(value);
		const char *fault = string ? time_fault(members[i].name, string) : NULL;

		if (fault) {
			reply_error(reply, "invalid", members[i].name, fault, false);
			buf_finish(&text);
			return NULL;
		}
		if (string)
			buf_printf(&text, " %s%s", members[i].before, string);
		else if (json_is_integer(value))
			buf_printf(&text, " %" JSON_INTEGER_FORMAT, json_integer_value(value));
		else if (value) {
			reply_error(reply, "invalid", members[i].name,
			        "must be a string or a number", false);
			buf_finish(&text);
			return NULL;
		}
	}
	if (text.overflow) {
		reply_error(reply, "invalid", "args", "too long", false);
		buf_finish(&text);
		return NULL;
	}
	return buf_take(&text);
}

void op_command(
        struct ops *ops, const json_t *request, const struct alert_peer *peer, struct reply *reply)
{
	struct report_status status = {.now_ms = clock_now_ms(), .version = BOT_VERSION};
	const char *name = json_string_value(json_object_get(request, "op"));
	struct op_command *op;
	int64_t limit;
	char *args;

	if (!ops_integer(request, "limit", 1, COMMAND_ALERTS_MAX, 1, &limit, reply))
		return;
	args = args_of(request, reply);
	if (!args)
		return;
	if (strcmp(name, "alerts") == 0 && json_object_get(request, "run_id"))
		name = "alert"; /* which is taken: it hands one in */
	op = x_calloc(1, sizeof(*op));
	op->ops = ops;
	op->reply = reply;
	op->config = config_ref(ops->config);
	op->name = x_strdup(name);
	op->args = args;
	op->field = field_of(request, name);
	snprintf(op->who, sizeof(op->who), "uid %" PRId64, peer->uid);
	ops->env.on_status(&status, ops->env.arg);
	report_status_take(&status, &op->status);
	op->happened = json_array();
	ops_submit(ops, command_work, command_done, op);
}

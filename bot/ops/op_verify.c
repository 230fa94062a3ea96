/*
 * op_verify.c - op "verify": verifications by emoji (bot/crypto/crypto.h). Decisions are made by a
 * person on this host; the list is open to everybody who may use the socket.
 *
 *   action           members                 answer
 *   list (default)   -                       verifications: array
 *   accept           user_id, id             verification: its new state
 *   confirm          user_id, id             the same
 *   mismatch         user_id, id             the same
 *   cancel           user_id, id             the same
 */
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/log.h"
#include "bot/ops/ops_internal.h"

struct op_verify {
	struct ops *ops;
	struct reply *reply;
	char *action, *user_id, *id;
	int64_t uid;
	json_t *list;
	struct fault fault;
};

static bool op_verify_asks_for(const struct op_verify *op, const char *action)
{
	return strcmp(op->action, action) == 0;
}

static enum err op_verify_act(struct op_verify *op, struct crypto *machine)
{
	int64_t now_ms = clock_now_ms();

	if (op_verify_asks_for(op, "accept"))
		return crypto_verify_accept(machine, now_ms, op->user_id, op->id, &op->fault);
	if (op_verify_asks_for(op, "confirm"))
		return crypto_verify_confirm(machine, now_ms, op->user_id, op->id, &op->fault);
	if (op_verify_asks_for(op, "mismatch") || op_verify_asks_for(op, "cancel"))
		return crypto_verify_cancel(machine, now_ms, op->user_id, op->id,
		        op_verify_asks_for(op, "mismatch"), &op->fault);
	return OK;
}

static enum err verify_work(struct store *store, void *arg)
{
	struct op_verify *op = arg;
	struct crypto *machine = core_machine(vault_core(op->ops->env.on_vault(op->ops->env.arg)));
	enum err err;

	op->fault = (struct fault){0};
	json_decref(op->list);
	op->list = NULL;
	if (!machine)
		return fault_set(
		        &op->fault, ERR_BUSY, "waiting for the encryption keys to be opened");
	err = op_verify_act(op, machine);
	if (op->fault.code == ERR_DENIED || op->fault.code == ERR_BUSY) /* commit, see crypto.h */
		err = OK;
	return err == OK ? crypto_verifications(machine, &op->list) : err;
}

static json_t *op_verify_answer_of(const struct op_verify *op)
{
	json_t *verification;
	size_t i;

	if (op_verify_asks_for(op, "list"))
		return json_pack("{s:O}", "verifications", op->list);
	json_array_foreach(op->list, i, verification)
	{
		if (op->id &&
		        strcmp(json_string_value(json_object_get(verification, "id")), op->id) ==
		                0 &&
		        strcmp(json_string_value(json_object_get(verification, "user_id")),
		                op->user_id) == 0)
			return json_pack("{s:O}", "verification", verification);
	}
	return json_pack("{s:s}", "user_id", op->user_id);
}

static void verify_done(enum err result, const char *message, void *arg)
{
	struct op_verify *op = arg;
	struct ops *ops = op->ops;

	if (result == OK)
		result = op->fault.code;
	if (result != OK) {
		ops_reply_failure(op->reply, result, op->fault.text[0] ? op->fault.text : message);
	} else {
		if (!op_verify_asks_for(op, "list"))
			log_info("verify", "%s of %s, by uid %lld", op->action, op->user_id,
			        (long long)op->uid);
		reply_ok(op->reply, op_verify_answer_of(op));
	}
	if (!op_verify_asks_for(op, "list"))
		vault_pump(ops->env.on_vault(ops->env.arg));
	json_decref(op->list);
	free(op->action);
	free(op->user_id);
	free(op->id);
	free(op);
	ops_job_done(ops);
}

/* A text argument, owned by the caller; NULL after an error was sent as the reply. */
static char *text_of(const json_t *args, const char *name, struct reply *reply)
{
	const char *text = json_string_value(json_object_get(args, name));

	if (!text)
		reply_error(reply, "invalid", name, "is missing", false);
	return x_strdup_opt(text);
}

void op_verify(
        struct ops *ops, const json_t *request, const struct alert_peer *peer, struct reply *reply)
{
	struct op_verify *op = x_calloc(1, sizeof(*op));
	const struct command *command;
	json_t *args = ops_arguments(request, &command, reply);
	const char *action = json_string_value(json_object_get(args, "action"));
	bool good = args;

	op->action = x_strdup(action ? action : "list");
	if (good && !op_verify_asks_for(op, "list"))
		good = ops_may(ops, COMMAND_TRUSTS, peer, reply) &&
		       (op->user_id = text_of(args, "user_id", reply)) &&
		       (op->id = text_of(args, "id", reply));
	json_decref(args);
	if (!good) {
		free(op->action);
		free(op->user_id);
		free(op);
		return;
	}
	op->ops = ops;
	op->reply = reply;
	op->uid = peer->uid;
	ops_submit(ops, verify_work, verify_done, op);
}

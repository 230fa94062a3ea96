/*
 * op_accept.c - op "accept": accepts a user's new cross-signing identity. Whoever may do this
 * decides who can read messages and give commands.
 */
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/log.h"
#include "bot/ops/ops_internal.h"

struct op_accept {
	struct ops *ops;
	struct reply *reply;
	struct vault *vault;
	char *user, *key;
	int64_t uid;
};

static enum err accept_work(struct store *store, void *arg)
{
	struct op_accept *op = arg;
	struct crypto *machine = core_machine(vault_core(op->vault));

	return machine ? crypto_identity_accept(machine, clock_now_ms(), op->user, op->key)
	               : ERR_BUSY;
}

static void accept_done(enum err result, const char *message, void *arg)
{
	struct op_accept *op = arg;
	struct ops *ops = op->ops;
	char *text;

	if (result == ERR_NOT_FOUND) {
		reply_error(op->reply, "not_found", "key",
		        "that user's identity did not change to that key; status shows the key",
		        false);
	} else if (result != OK) {
		ops_reply_failure(op->reply, result, message);
	} else {
		log_info("ops", "uid %lld accepted %s as the identity of %s", (long long)op->uid,
		        op->key, op->user);
		text = x_asprintf(
		        "trusting %s with the identity %s from now on\n", op->user, op->key);
		reply_ok(op->reply, json_pack("{s:s?}", "text", text));
		free(text);
		vault_pump(op->vault);
		courier_poke(ops->env.courier);
	}
	free(op->user);
	free(op->key);
	free(op);
	ops_job_done(ops);
}

void op_accept(
        struct ops *ops, const json_t *request, const struct alert_peer *peer, struct reply *reply)
{
	const struct command *command;
	struct op_accept *op;
	json_t *args;

	args = ops_arguments(request, &command, reply);
	if (!args)
		return;
	op = x_calloc(1, sizeof(*op));
	op->ops = ops;
	op->reply = reply;
	op->vault = ops->env.on_vault(ops->env.arg);
	op->user = x_strdup(json_string_value(json_object_get(args, "user")));
	op->key = x_strdup(json_string_value(json_object_get(args, "key")));
	op->uid = peer->uid;
	json_decref(args);
	ops_submit(ops, accept_work, accept_done, op);
}

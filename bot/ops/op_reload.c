/*
 * op_reload.c - op "reload": reloads the config, and answers when it was applied or rejected, so
 * that `systemctl reload` fails for a rejected config. Only for root and the daemon's own user.
 */
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/ops/ops_internal.h"

struct op_reload {
	struct ops *ops;
	struct reply *reply;
};

static void reload_done(const char *problem, const char *restart, void *arg)
{
	struct op_reload *op = arg;
	struct ops *ops = op->ops;
	char *text;

	if (problem[0]) {
		text = x_asprintf("config rejected; keeping the previous configuration\n%.*s",
		        (int)(strlen(problem) - 1), problem);
		reply_error(op->reply, err_name(ERR_CONFIG), NULL, text, false);
		free(text);
	} else {
		text = x_asprintf("config reloaded\n%s%s%s",
		        restart[0] ? "restart required for " : "", restart, restart[0] ? "\n" : "");
		reply_ok(op->reply, json_pack("{s:s}", "text", text));
		free(text);
	}
	free(op);
	ops_job_done(ops);
}

void op_reload(
        struct ops *ops, const json_t *request, const struct alert_peer *peer, struct reply *reply)
{
	struct op_reload *op = x_calloc(1, sizeof(*op));

	op->ops = ops;
	op->reply = reply;
	ops->jobs++;
	ops->env.on_reload(reload_done, op, ops->env.arg);
}

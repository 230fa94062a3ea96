/*
 * command_test.c - !test: sends a made-up failure along the path of a real one.
 */
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/synthetic.h"
#include "handlers/alerts/alert.h"
#include "handlers/commands/command.h"
#include "handlers/alerts/route.h"
#include "storage/undelivered.h"

/* Which channels of [meta] hear of it; its room does only if it is not the alert's own. */
static void say_channels(struct command_call *call, const struct alert *alert)
{
	const struct config *config = call->env->config;
	const char *room = config->meta.room;

	command_say(call, "Reported within seconds, as if it were late: exec%s, second account%s",
	        config->meta.exec ? "" : " (not configured)",
	        config->meta.homeserver ? "" : " (not configured)");
	if (room && strcmp(room, route_room(config, alert->app, alert->severity)) != 0)
		command_say(call, ", room %s", room);
	command_say(call, "\n");
}

/* late: treats the test as not delivered in time, to test the other channels of [meta]. */
static enum err command_test_inject(struct command_call *call, const char *name, bool late)
{
	struct deliver d = command_deliver(call);
	json_t *request = synthetic_alert(name);
	struct deliver_receipt receipt;
	struct alert_fault fault;
	struct alert *alert = NULL;
	enum err err = alert_parse(request, d.config, d.now_ms, &alert, &fault);

	json_decref(request);
	if (err != OK)
		return err;
	err = deliver_accept(&d, alert, &receipt);
	if (err == OK && late)
		err = undelivered_add(d.store, receipt.alert);
	if (err == OK) {
		command_say(call, "🧪 Test alert %s: run `%s`, %s for room %s\n", name,
		        alert->run_id, receipt.state,
		        route_room(d.config, alert->app, alert->severity));
		command_effect(call, "%s%s: alert %lld", call->effect.len ? "; " : "", name,
		        (long long)receipt.alert);
	}
	if (err == OK && late)
		say_channels(call, alert);
	alert_destroy(alert);
	return err;
}

static enum err command_test_run_test(struct command_call *call)
{
	const char *wanted = command_arg(call, "kind"), *name;
	enum err err = OK;

	if (wanted && strcmp(wanted, "undelivered") == 0)
		return command_test_inject(call, synthetic_name(0), true);
	for (size_t i = 0; (name = synthetic_name(i)) && err == OK; i++)
		if (wanted ? strcmp(wanted, name) == 0 || strcmp(wanted, "all") == 0 : i == 0)
			err = command_test_inject(call, name, false);
	return err;
}

const struct command command_test = {
        .name = "test",
        .help = "send a test alert, end to end\n"
                "No reminder follows. `test undelivered` also tells the other channels of [meta], "
                "as if it had not reached its room in time, and then of its recovery.",
        .example = "test node",
        .where = COMMAND_ROOM | COMMAND_SOCKET | COMMAND_LINE,
        .right = COMMAND_SENDS,
        .run = command_test_run_test,
        .members = {{"kind", MEMBER_WORD, .one_of = "node|dag|violation|all|undelivered"}},
};

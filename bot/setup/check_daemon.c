/*
 * check_daemon.c - part of `check`: the user whose rights it uses, and what a running daemon
 * reports.
 */
#include <string.h>
#include <sysexits.h>
#include "bot/client/socket.h"
#include "bot/setup/check.h"
#include "bot/setup/daemon_user.h"

#define ANSWER_TIMEOUT_MS 3000

void check_user(struct check *check)
{
	struct daemon_user user;
	struct fault fault = {0};

	daemon_user_find(&user, check->config);
	if (!user.name[0])
		return;
	if (daemon_user_become(&user, &fault) == OK)
		check_good(check, "user", "checking as %s, the daemon's user", user.name);
	else
		check_warning(check, "user", "%s: checking as root", fault.text);
}

static bool is_room(const char *cause)
{
	return strcmp(cause, "room") == 0 || strcmp(cause, "readers") == 0;
}

/* Adds the daemon's problems, except those that the other checks cover. */
static void tell_problems(struct check *check, const json_t *problems)
{
	const json_t *problem;
	size_t i;

	json_array_foreach((json_t *)problems, i, problem)
	{
		const char *cause = client_text(problem, "cause");

		if (check->logged_in && is_room(cause))
			continue;
		check_fault(check, EX_UNAVAILABLE, "daemon", "%s", client_text(problem, "text"));
		check_fix(check, "%s", client_text(problem, "fix"));
	}
	if (json_array_size(problems) == 0)
		check_good(check, "daemon", "running, and all is well");
}

void check_daemon(struct check *check)
{
	json_t *request = json_pack("{s:s}", "op", "status"), *answer = NULL;
	struct client *client = NULL;
	struct fault fault = {0};

	if (client_open(&client, check->config->socket.path, ANSWER_TIMEOUT_MS, &fault) == OK &&
	        client_call(client, request, ANSWER_TIMEOUT_MS, &answer, &fault) == OK)
		tell_problems(check, json_object_get(answer, "problems"));
	else if (client) {
		check_fault(check, EX_TEMPFAIL, "daemon", "no answer: %s", fault.text);
		check_fix(check, "read its log: journalctl -u matrix-telemetry-bot");
	}
	json_decref(request);
	json_decref(answer);
	client_close(client);
}

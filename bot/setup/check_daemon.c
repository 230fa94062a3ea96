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

/* Which of the other checks look for the same as a problem of the daemon. */
static const struct {
	const char *cause, *what; /* the row's name, or its first word */
} covered[] = {
        {"homeserver", "homeserver"},
        {"homeserver", "account"},
        {"homeserver", "access token"},
        {"storage", "disk"},
        {"clock", "clock"},
        {"encryption", "device"},
        {"encryption", "pickle key"},
        {"undeliverable", "queue"},
        {"spool", "spool"},
};

/* The row of a room or a watch is called as its problem begins: "room ops", and what follows. */
static bool begins_with_row(const char *text, const char *what)
{
	size_t len = strlen(what);

	return strncmp(text, what, len) == 0 && (text[len] == ':' || text[len] == ',');
}

/* Whether another check reported it as an error already. */
static bool is_told(const struct check *check, const char *cause, const char *text)
{
	for (size_t i = 0; i < check->len; i++) {
		const char *what = check->lines[i].what;

		if (check->lines[i].level != CHECK_FAULT)
			continue;
		if (begins_with_row(text, what))
			return true;
		for (size_t j = 0; j < sizeof(covered) / sizeof(covered[0]); j++)
			if (strcmp(covered[j].cause, cause) == 0 &&
			        strcmp(covered[j].what, what) == 0)
				return true;
	}
	return false;
}

/* Adds the daemon's problems, except those that the other checks have found too. */
static void tell_problems(struct check *check, const json_t *problems)
{
	const json_t *problem;
	size_t i;

	json_array_foreach((json_t *)problems, i, problem)
	{
		const char *text = client_text(problem, "text"), *fix = client_text(problem, "fix");

		if (is_told(check, client_text(problem, "cause"), text))
			continue;
		check_fault(check, EX_UNAVAILABLE, "daemon", "%s", text);
		/* not what runs just now */
		check_fix(check, "%s",
		        strstr(fix, "matrix-telemetry-bot check")
		                ? "read its log: journalctl -u matrix-telemetry-bot"
		                : fix);
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

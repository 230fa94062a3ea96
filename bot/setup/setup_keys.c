/*
 * setup_keys.c - part of `setup`: the keys for encrypted rooms, made by a child process that
 * switches to the rights of the daemon's user, and the recovery key, shown once.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "bot/base/alloc.h"
#include "bot/base/log.h"
#include "bot/setup/login.h"
#include "bot/setup/question.h"
#include "bot/setup/setup.h"

#define TOLD_BYTES 1024

/* In the child, which does not use the parent's connections. Writes the recovery key on the first
 * line, the note on the others. */
static void setup_make_keys(
        const struct setup *setup, const char *device_id, const char *password, int to)
{
	struct login login = {.command = "setup", .config = setup->config};
	struct fault fault = {0};

	log_setup(LOG_WARNING, setup->config->log.format);
	login.token = x_strdup(setup->token);
	login.device_id = x_strdup(device_id);
	login.password = x_strdup(password);
	if (ask_open(&login.ask, setup->config, &fault) == OK)
		login_make_keys(&login);
	dprintf(to, "%s\n%s", login.keys.recovery_key ? login.keys.recovery_key : "",
	        login.keys.note ? login.keys.note : fault.text);
	ask_close(login.ask);
	login_finish(&login);
}

static void setup_tell_keys(char *told)
{
	struct login_keys keys = {0};
	char *end = strchr(told, '\n');

	if (!end)
		return;
	*end = '\0';
	keys.recovery_key = *told ? told : NULL;
	keys.note = end[1] ? end + 1 : NULL;
	fflush(stdout);
	login_tell_keys(&keys);
}

void setup_keys(struct setup *setup, const char *device_id, const char *password)
{
	char told[TOLD_BYTES] = "", *ignored = NULL;
	size_t len = 0;
	ssize_t count;
	int ends[2], status;
	pid_t pid;

	if (pipe(ends) != 0)
		return;
	if (setup_uses_units(setup)) /* the running daemon has locked the database */
		setup_systemctl("stop", SETUP_SERVICE);
	question_begin("Creating the keys for encrypted rooms");
	pid = fork();
	if (pid == 0) {
		close(ends[0]);
		setup_make_keys(setup, device_id, password, ends[1]);
		_exit(0);
	}
	close(ends[1]);
	while (pid > 0 && len < sizeof(told) - 1 &&
	        ((count = read(ends[0], told + len, sizeof(told) - 1 - len)) > 0 ||
	                (count < 0 && errno == EINTR)))
		len += count > 0 ? (size_t)count : 0;
	close(ends[0]);
	if (pid > 0)
		waitpid(pid, &status, 0);
	question_end(told[0] && told[0] != '\n' ? "done" : "");
	setup_tell_keys(told);
	if (told[0] && setup->asks)
		question_text("Press Enter when you have written it down", NULL, &ignored, NULL);
	free(ignored);
	explicit_bzero(told, sizeof(told));
}

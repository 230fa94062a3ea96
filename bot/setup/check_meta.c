/*
 * check_meta.c - part of `check`: the channels of [meta], without sending anything: the command
 * exists, the second account's token can be read.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>
#include "bot/base/alloc.h"
#include "bot/base/argv.h"
#include "bot/setup/check.h"
#include "bot/config/secret.h"

/* Returns 0, or errno. */
static int may_run(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return errno;
	if (!S_ISREG(st.st_mode))
		return EACCES;
	return access(path, X_OK) == 0 ? 0 : errno;
}

/* Searches where execvp(3) does; returns 0, or errno. */
static int find_program(const char *name)
{
	const char *folders = getenv("PATH");
	int error = ENOENT;

	if (strchr(name, '/'))
		return may_run(name);
	for (const char *at = folders ? folders : "/bin:/usr/bin"; error != 0 && *at;) {
		size_t len = strcspn(at, ":");
		char *path = x_asprintf("%.*s/%s", (int)len, at, name);
		int here = may_run(path);

		if (here != ENOENT && here != ENOTDIR)
			error = here;
		free(path);
		at += len + (at[len] == ':');
	}
	return error;
}

static void look_at_exec(struct check *check)
{
	struct fault fault = {0};
	char **words;
	int error;

	if (argv_split(check->config->meta.exec, &words, &fault) != OK)
		return; /* not reached: validated with the config */
	error = find_program(words[0]);
	if (error == 0) {
		check_good(check, "[meta] exec", "%s", words[0]);
	} else {
		check_fault(check, EX_CONFIG, "[meta] exec", "%s: %s", words[0], strerror(error));
		check_fix(check, "name a program that exists and is executable: no shell reads the "
		                 "command, its first word is a file");
	}
	argv_free(words);
}

static void look_at_second(struct check *check)
{
	const struct config *config = check->config;
	struct fault fault = {0};
	char *token = NULL;

	if (secret_read(&config->meta.token, "meta_token", &token, &fault) == OK) {
		check_good(check, "[meta] account", "%s, token from %s", config->meta.user,
		        config->meta.token.command ? "token_command" : config->meta.token.file);
	} else {
		check_fault(check, EX_CONFIG, "[meta] account", "%s", fault.text);
		check_fix(check,
		        "store an access token of %s where [meta] token_command or token_file "
		        "finds it",
		        config->meta.user);
	}
	x_wipe_free_str(token);
}

void check_meta(struct check *check)
{
	if (check->config->meta.exec)
		look_at_exec(check);
	if (check->config->meta.homeserver)
		look_at_second(check);
}

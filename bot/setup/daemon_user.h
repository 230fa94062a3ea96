/*
 * daemon_user.h - the user that the daemon runs as, for commands that root starts: what they look
 * at and what they leave behind is for that user.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>
#include "bot/config/config.h"

#define DAEMON_USER "matrix-telemetry-bot"

struct daemon_user {
	char name[64]; /* "" = this process is it, or nobody knows */
	uid_t uid;
	gid_t gid;
};

/*
 * For root: the owner of the database's folder, if that is not root, else the user that the package
 * makes, if the config is the installed one. For others, and where neither is there: no name.
 */
void daemon_user_find(struct daemon_user *user, const struct config *config);

/* Gives a file to the user; without a name it does nothing. ERR_IO. */
enum err daemon_user_give(const struct daemon_user *user, const char *path, struct fault *fault);

/* From here on this process has the user's rights and groups, for good. ERR_DENIED. */
enum err daemon_user_become(const struct daemon_user *user, struct fault *fault);

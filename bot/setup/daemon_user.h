/*
 * daemon_user.h - the user that the daemon runs as, for commands started by root: they use that
 * user's rights and create files for that user.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>
#include "bot/config/config.h"

#define DAEMON_USER "matrix-telemetry-bot"

struct daemon_user {
	char name[64]; /* "" = this process runs as that user, or it is unknown */
	uid_t uid;
	gid_t gid;
};

/*
 * For root: the owner of the database's folder unless that is root, else the user that the package
 * creates, if the config is the installed one. Otherwise, and for other users: no name.
 */
void daemon_user_find(struct daemon_user *user, const struct config *config);

/* Changes a file's owner to the user; does nothing without a name. ERR_IO. */
enum err daemon_user_give(const struct daemon_user *user, const char *path, struct fault *fault);

/* Switches this process to the user's rights and groups, permanently. ERR_DENIED. */
enum err daemon_user_become(const struct daemon_user *user, struct fault *fault);

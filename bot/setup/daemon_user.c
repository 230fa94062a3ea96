/*
 * daemon_user.c - see daemon_user.h.
 */
#include "bot/setup/daemon_user.h"

#include <errno.h>
#include <grp.h>
#include <libgen.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "bot/base/alloc.h"

#define INSTALLED "/etc/matrix-telemetry-bot/"

static const struct passwd *user_of_folder(const char *file)
{
	char *copy = x_strdup(file);
	struct stat st;
	bool known = stat(dirname(copy), &st) == 0 && st.st_uid != 0;

	free(copy);
	return known ? getpwuid(st.st_uid) : NULL;
}

void daemon_user_find(struct daemon_user *user, const struct config *config)
{
	const struct passwd *found;

	*user = (struct daemon_user){0};
	if (geteuid() != 0)
		return;
	found = user_of_folder(config->storage.database);
	if (!found && strncmp(config->path, INSTALLED, strlen(INSTALLED)) == 0)
		found = getpwnam(DAEMON_USER);
	if (!found)
		return;
	snprintf(user->name, sizeof(user->name), "%s", found->pw_name);
	user->uid = found->pw_uid;
	user->gid = found->pw_gid;
}

enum err daemon_user_give(const struct daemon_user *user, const char *path, struct fault *fault)
{
	if (!user->name[0] || lchown(path, user->uid, user->gid) == 0)
		return OK;
	return fault_set(fault, ERR_IO, "cannot make %s belong to %s: %s", path, user->name,
	        strerror(errno));
}

enum err daemon_user_become(const struct daemon_user *user, struct fault *fault)
{
	if (!user->name[0])
		return OK;
	if (initgroups(user->name, user->gid) == 0 &&
	        setresgid(user->gid, user->gid, user->gid) == 0 &&
	        setresuid(user->uid, user->uid, user->uid) == 0)
		return OK;
	return fault_set(fault, ERR_DENIED, "cannot become %s: %s", user->name, strerror(errno));
}

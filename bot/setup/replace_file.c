/*
 * replace_file.c - see replace_file.h: a new file beside the old one, then a rename.
 */
#include "bot/setup/replace_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "bot/base/alloc.h"

static enum err replace_file_fail(struct fault *fault, const char *path)
{
	return fault_set(fault, errno == ENOSPC || errno == EDQUOT ? ERR_FULL : ERR_IO, "%s: %s",
	        path, strerror(errno));
}

static bool replace_file_write(int fd, const char *text)
{
	while (*text) {
		ssize_t len = write(fd, text, strlen(text));

		if (len < 0 && errno != EINTR)
			return false;
		text += len > 0 ? len : 0;
	}
	return true;
}

/* Makes the rename durable. */
static enum err replace_file_sync_folder(const char *path, struct fault *fault)
{
	char *copy = x_strdup(path);
	const char *folder = dirname(copy);
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum err err = fd < 0 || fsync(fd) != 0 ? replace_file_fail(fault, folder) : OK;

	if (fd >= 0)
		close(fd);
	free(copy);
	return err;
}

enum err replace_file_may(const char *path, struct fault *fault)
{
	char *fresh = x_asprintf("%s.XXXXXX", path);
	int fd = mkostemp(fresh, O_CLOEXEC);
	enum err err = fd < 0 ? replace_file_fail(fault, path) : OK;

	if (fd >= 0) {
		close(fd);
		unlink(fresh);
	}
	free(fresh);
	return err;
}

/* Sets the mode before writing, so that users without permission can never read the text. */
static bool replace_file_fill(int fd, const char *text, const struct file_owner *owner)
{
	if (owner && fchown(fd, owner->uid, owner->gid) != 0)
		return false;
	return fchmod(fd, owner ? owner->mode : 0600) == 0 && replace_file_write(fd, text) &&
	       fsync(fd) == 0;
}

static enum err replace_file_put(
        const char *path, const char *text, const struct file_owner *owner, struct fault *fault)
{
	char *fresh = x_asprintf("%s.XXXXXX", path);
	int fd = mkostemp(fresh, O_CLOEXEC); /* 0600, and never an existing file */
	enum err err = OK;

	if (fd < 0) {
		err = replace_file_fail(fault, path);
		free(fresh);
		return err;
	}
	if (!replace_file_fill(fd, text, owner))
		err = replace_file_fail(fault, path);
	if (close(fd) != 0 && err == OK)
		err = replace_file_fail(fault, path);
	if (err == OK && rename(fresh, path) != 0)
		err = replace_file_fail(fault, path);
	if (err != OK)
		unlink(fresh);
	else
		err = replace_file_sync_folder(path, fault);
	free(fresh);
	return err;
}

enum err replace_file(
        const char *path, const char *text, const struct file_owner *owner, struct fault *fault)
{
	sigset_t all, before;
	enum err err;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	err = replace_file_put(path, text, owner, fault);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return err;
}

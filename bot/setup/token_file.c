/*
 * token_file.c - see token_file.h: a new file beside the old one, then a rename.
 */
#include "bot/setup/token_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include "bot/base/alloc.h"

static enum err token_file_fail(struct fault *fault, const char *path)
{
	return fault_set(fault, errno == ENOSPC || errno == EDQUOT ? ERR_FULL : ERR_IO, "%s: %s",
	        path, strerror(errno));
}

static bool write_line(int fd, const char *token)
{
	struct iovec parts[] = {{(char *)token, strlen(token)}, {(char *)"\n", 1}};
	ssize_t len = writev(fd, parts, 2);

	if (len >= 0 && (size_t)len != strlen(token) + 1)
		errno = ENOSPC; /* a regular file takes less only then */
	return len == (ssize_t)strlen(token) + 1;
}

/* So that the rename outlives a power cut. */
static enum err sync_folder(const char *path, struct fault *fault)
{
	char *copy = x_strdup(path);
	const char *folder = dirname(copy);
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum err err = fd < 0 || fsync(fd) != 0 ? token_file_fail(fault, folder) : OK;

	if (fd >= 0)
		close(fd);
	free(copy);
	return err;
}

enum err token_file_may_write(const char *path, struct fault *fault)
{
	char *fresh = x_asprintf("%s.XXXXXX", path);
	int fd = mkostemp(fresh, O_CLOEXEC);
	enum err err = fd < 0 ? token_file_fail(fault, path) : OK;

	if (fd >= 0) {
		close(fd);
		unlink(fresh);
	}
	free(fresh);
	return err;
}

enum err token_file_write(const char *path, const char *token, struct fault *fault)
{
	char *fresh = x_asprintf("%s.XXXXXX", path);
	int fd = mkostemp(fresh, O_CLOEXEC); /* 0600, and never a file that is there */
	enum err err = OK;

	if (fd < 0) {
		err = token_file_fail(fault, path);
		free(fresh);
		return err;
	}
	if (fchmod(fd, 0600) != 0 || !write_line(fd, token) || fsync(fd) != 0)
		err = token_file_fail(fault, path);
	if (close(fd) != 0 && err == OK)
		err = token_file_fail(fault, path);
	if (err == OK && rename(fresh, path) != 0)
		err = token_file_fail(fault, path);
	if (err != OK)
		unlink(fresh);
	else
		err = sync_folder(path, fault);
	free(fresh);
	return err;
}

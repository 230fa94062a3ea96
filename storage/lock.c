/*
 * lock.c - the lock beside the database; see lock.h.
 *
 * An open file description lock belongs to the descriptor, not to the process, so opening and
 * closing the file elsewhere in the process does not drop it. The file is never deleted: another
 * daemon might be about to lock the old one.
 */
#include "storage/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "bot/base/alloc.h"

static enum err lock_busy(int fd, const char *name, struct fault *fault)
{
	char text[32] = "";
	ssize_t len = pread(fd, text, sizeof(text) - 1, 0);
	long pid = len > 0 ? strtol(text, NULL, 10) : 0;

	if (pid <= 0)
		return fault_set(fault, ERR_BUSY, "%s: locked by another process", name);
	return fault_set(fault, ERR_BUSY, "%s: locked by process %ld", name, pid);
}

static enum err lock_fail(const char *name, const char *doing, struct fault *fault)
{
	enum err err = errno == ENOSPC || errno == EDQUOT ? ERR_FULL : ERR_IO;

	return fault_set(fault, err, "%s: %s: %s", name, doing, strerror(errno));
}

enum err lock_take(const char *path, int *fd, struct fault *fault)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char *name = x_asprintf("%s.lock", path);
	char pid[32];
	enum err err = OK;
	int len = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());

	*fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (*fd < 0) {
		err = lock_fail(name, "open", fault);
	} else if (fcntl(*fd, F_OFD_SETLK, &whole) != 0) {
		err = errno == EAGAIN || errno == EACCES ? lock_busy(*fd, name, fault)
		                                         : lock_fail(name, "lock", fault);
	} else if (fchmod(*fd, 0600) != 0) { /* regardless of the umask */
		err = lock_fail(name, "chmod", fault);
	} else if (ftruncate(*fd, 0) != 0 || pwrite(*fd, pid, (size_t)len, 0) != len) {
		err = lock_fail(name, "write", fault);
	}
	if (err != OK && *fd >= 0) {
		close(*fd);
		*fd = -1;
	}
	free(name);
	return err;
}

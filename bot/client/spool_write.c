/*
 * spool_write.c - see spool_write.h: temporary name, fsync, rename, fsync of the folder.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "bot/client/spool_write.h"

#define NAME_TRIES 16 /* the clock may be too coarse to give a new name */

static enum err spool_write_fail(struct fault *fault, const char *what, const char *name)
{
	enum err err = errno == EACCES || errno == EPERM    ? ERR_DENIED
	               : errno == ENOSPC || errno == EDQUOT ? ERR_FULL
	                                                    : ERR_IO;
	return fault_set(fault, err, "cannot %s %s: %s", what, name, strerror(errno));
}

static long long stamp_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (long long)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t count = write(fd, data, len);
		if (count == -1 && errno == EINTR)
			continue;
		if (count == -1)
			return -1;
		data += count;
		len -= (size_t)count;
	}
	return 0;
}

/* If root writes: gives the file or folder to the owner of the folder it is in, so that the daemon
 * can read it. */
static int spool_write_give(int fd, int from, const char *name)
{
	struct stat owner;

	if (geteuid() != 0)
		return 0;
	return fstatat(from, name, &owner, 0) == -1 ? -1 : fchown(fd, owner.st_uid, owner.st_gid);
}

/* Lets the daemon read the file, whatever the umask: through the folder's group, which a
 * set-group-ID folder passes on; where that is impossible, through read permission for everybody
 * who can enter the folder. */
static int let_read(int fd, int dir)
{
	struct stat folder, file;

	if (fstat(dir, &folder) == -1 || fstat(fd, &file) == -1)
		return -1;
	if (file.st_uid == folder.st_uid || file.st_gid == folder.st_gid ||
	        fchown(fd, (uid_t)-1, folder.st_gid) == 0)
		return fchmod(fd, 0640);
	return fchmod(fd, 0644);
}

enum err spool_write(
        const char *folder, const json_t *request, char name[SPOOL_NAME_MAX], struct fault *fault)
{
	char hidden[SPOOL_NAME_MAX + 1];
	char *text = json_dumps(request, JSON_COMPACT);
	enum err err = OK;
	int fd = -1;
	int dir = -1;
	bool made;

	if (!text)
		return fault_set(fault, ERR_INVALID, "not valid UTF-8");
	made = mkdir(folder, 0700) == 0;
	if (!made && errno != EEXIST) {
		err = spool_write_fail(fault, "create", folder);
		goto done;
	}
	dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir == -1) {
		err = spool_write_fail(fault, "open", folder);
		goto done;
	}
	if (made && spool_write_give(dir, dir, "..") == -1) {
		err = spool_write_fail(fault, "hand over", folder);
		goto done;
	}
	for (unsigned n = 0; fd == -1 && n < NAME_TRIES; n++) {
		snprintf(name, SPOOL_NAME_MAX, "%lld-%d-%u.json", stamp_ns(), (int)getpid(), n);
		snprintf(hidden, sizeof(hidden), ".%s", name);
		fd = openat(
		        dir, hidden, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
		if (fd == -1 && errno != EEXIST)
			break;
	}
	if (fd == -1) {
		err = spool_write_fail(fault, "write into", folder);
		goto done;
	}
	if (spool_write_give(fd, dir, ".") == -1 || let_read(fd, dir) == -1 ||
	        write_all(fd, text, strlen(text)) == -1 || fsync(fd) == -1 ||
	        renameat(dir, hidden, dir, name) == -1) {
		err = spool_write_fail(fault, "write", name);
		unlinkat(dir, hidden, 0);
		goto done;
	}
	if (fsync(dir) == -1)
		err = spool_write_fail(fault, "sync", folder);
done:
	if (fd != -1)
		close(fd);
	if (dir != -1)
		close(dir);
	free(text);
	return err;
}

/*
 * listen.c - see listen.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "bot/base/alloc.h"
#include "bot/base/log.h"
#include "bot/intake/listen.h"

#define SYSTEMD_FIRST 3 /* the first descriptor passed by systemd */

static enum err listen_fail(struct fault *fault, const char *what, const char *path)
{
	enum err err = errno == EACCES || errno == EPERM ? ERR_DENIED : ERR_IO;
	return fault_set(fault, err, "%s %s: %s", what, path, strerror(errno));
}

/* An integer socket option, or -1. */
static int socket_option(int fd, int option)
{
	socklen_t len = sizeof(int);
	int value;

	return getsockopt(fd, SOL_SOCKET, option, &value, &len) == 0 ? value : -1;
}

/* The first listening Unix stream socket that systemd passed, or -1; see sd_listen_fds(3). */
static int take_systemd(void)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	int found = -1;

	if (!pid || !count || strtol(pid, NULL, 10) != getpid())
		return -1;
	for (int fd = SYSTEMD_FIRST; fd < SYSTEMD_FIRST + strtol(count, NULL, 10); fd++) {
		if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
			break;
		if (found == -1 && socket_option(fd, SO_DOMAIN) == AF_UNIX &&
		        socket_option(fd, SO_TYPE) == SOCK_STREAM &&
		        socket_option(fd, SO_ACCEPTCONN) == 1)
			found = fd;
	}
	if (found >= 0)
		log_info("socket", "listening on the socket from systemd");
	return found;
}

static enum err take_lock(struct listen *l, struct fault *fault)
{
	enum err err = OK;
	char *path = x_asprintf("%s.lock", l->path);

	l->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (l->lock_fd == -1)
		err = listen_fail(fault, "cannot open", path);
	else if (flock(l->lock_fd, LOCK_EX | LOCK_NB) == -1)
		err = errno == EWOULDBLOCK
		              ? fault_set(fault, ERR_BUSY, "another daemon is using %s", path)
		              : listen_fail(fault, "cannot lock", path);
	free(path);
	return err;
}

static void fill_address(struct sockaddr_un *address, const char *path, const char *suffix)
{
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	snprintf(address->sun_path, sizeof(address->sun_path), "%s%s", path, suffix);
}

/* OK when no daemon serves the path: nothing is there, or the socket file of a dead daemon. */
static enum err listen_probe(const char *path, struct fault *fault)
{
	struct sockaddr_un address;
	struct stat st;
	enum err err = OK;

	if (lstat(path, &st) == -1)
		return errno == ENOENT ? OK : listen_fail(fault, "cannot read", path);
	if (!S_ISSOCK(st.st_mode))
		return fault_set(fault, ERR_EXISTS, "%s exists and is not a socket", path);

	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return listen_fail(fault, "cannot create a socket for", path);
	fill_address(&address, path, "");
	/* EAGAIN means a full backlog: a daemon is there, but busy */
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 || errno == EAGAIN)
		err = fault_set(fault, ERR_BUSY, "another daemon is listening on %s", path);
	else if (errno != ECONNREFUSED && errno != ENOENT)
		err = listen_fail(fault, "cannot probe", path);
	close(fd);
	return err;
}

static enum err set_group(const char *path, const char *name, struct fault *fault)
{
	struct group group, *found = NULL;
	size_t size = 64 * 1024;
	char *memory = x_calloc(1, size);
	enum err err = OK;

	int rc = getgrnam_r(name, &group, memory, size, &found);
	if (!found)
		err = fault_set(fault, ERR_CONFIG, "[socket] group %s: %s", name,
		        rc ? strerror(rc) : "no such group");
	else if (lchown(path, (uid_t)-1, found->gr_gid) == -1)
		err = listen_fail(fault, "cannot set the group of", path);
	free(memory);
	return err;
}

/* Binds under a temporary name, makes the socket ready, and renames it to its path. */
static enum err bind_own(struct listen *l, struct fault *fault)
{
	struct sockaddr_un address;
	struct stat st;
	enum err err;

	fill_address(&address, l->path, ".new");
	const char *name = address.sun_path;
	if (unlink(name) == -1 && errno != ENOENT)
		return listen_fail(fault, "cannot remove", name);
	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd == -1)
		return listen_fail(fault, "cannot create a socket for", l->path);
	if (bind(l->fd, (struct sockaddr *)&address, sizeof(address)) == -1) {
		err = listen_fail(fault, "cannot bind", l->path);
		goto failed;
	}

	/* until listen(2), connecting fails regardless of the mode */
	if (chmod(name, l->mode) == -1) {
		err = listen_fail(fault, "cannot set the mode of", name);
		goto failed;
	}
	if (l->group) {
		err = set_group(name, l->group, fault);
		if (err != OK)
			goto failed;
	}
	if (listen(l->fd, LISTEN_BACKLOG) == -1 || lstat(name, &st) == -1 ||
	        rename(name, l->path) == -1) {
		err = listen_fail(fault, "cannot listen on", l->path);
		goto failed;
	}
	l->dev = st.st_dev;
	l->ino = st.st_ino;
	return OK;
failed:
	unlink(name);
	close(l->fd);
	l->fd = -1;
	return err;
}

bool listen_is_lost(const struct listen *l)
{
	struct stat st;

	return l->path && (lstat(l->path, &st) == -1 || st.st_dev != l->dev || st.st_ino != l->ino);
}

enum err listen_renew(struct listen *l, struct fault *fault)
{
	enum err err = listen_probe(l->path, fault);

	return err == OK ? bind_own(l, fault) : err;
}

enum err listen_init(struct listen *l, const struct config *config, struct fault *fault)
{
	enum err err;

	*l = (struct listen){.fd = take_systemd(), .lock_fd = -1};
	if (l->fd != -1)
		return OK;
	if (strlen(config->socket.path) > LISTEN_PATH_MAX)
		return fault_set(fault, ERR_CONFIG, "[socket] path is longer than %d bytes",
		        LISTEN_PATH_MAX);
	l->path = x_strdup(config->socket.path);
	l->mode = config->socket.mode;
	l->group = x_strdup_opt(config->socket.group);

	err = take_lock(l, fault);
	if (err == OK)
		err = listen_probe(l->path, fault);
	if (err == OK)
		err = bind_own(l, fault);
	if (err != OK)
		listen_finish(l);
	return err;
}

void listen_unlink(struct listen *l)
{
	struct stat st;

	if (l->ino != 0 && lstat(l->path, &st) == 0 && st.st_dev == l->dev && st.st_ino == l->ino)
		unlink(l->path);
	l->ino = 0;
}

void listen_finish(struct listen *l)
{
	listen_unlink(l);
	if (l->fd != -1)
		close(l->fd);
	if (l->lock_fd != -1)
		close(l->lock_fd);
	free(l->path);
	free(l->group);
	*l = (struct listen){.fd = -1, .lock_fd = -1};
}

/*
 * listen.h - the listening descriptor of the Unix socket: systemd's, or our own.
 *
 * Our own: a lock file beside the path keeps two daemons apart; under the lock a connect(2)
 * tells whether somebody else serves the path; the new socket is made ready (mode, group,
 * listening) under the path with ".new" and then renamed over it, so that no client ever meets a
 * half-made one. The lock file stays behind on purpose: removing it would let two in.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>
#include "bot/base/err.h"
#include "bot/config/config.h"

#define LISTEN_BACKLOG 4096 /* bursts of connections; the kernel caps it by somaxconn */
#define LISTEN_PATH_MAX 103 /* bytes; sun_path holds 107, ".new" takes four */

struct listen {
	int fd;      /* listening; the caller may take it and set it to -1 */
	int lock_fd; /* -1 = systemd's socket */
	char *path;  /* NULL = systemd's socket */
	unsigned mode;
	char *group; /* or NULL */
	dev_t dev;   /* of our socket file, to remove no other */
	ino_t ino;
};

/* ERR_BUSY: a live daemon has the path. ERR_EXISTS: something that is no socket is there.
 * ERR_CONFIG: path too long, unknown group. ERR_DENIED, ERR_IO: as the system says. On failure
 * *listen is finished. */
enum err listen_init(struct listen *listen, const struct config *config, struct fault *fault);
/* Somebody may remove the socket file: true when it is not there, or another than ours. Always
 * false for systemd's. */
bool listen_is_lost(const struct listen *listen);
/* Makes the socket anew, into listen->fd, under the lock that is still held. ERR_BUSY: another
 * daemon has the path meanwhile. On failure nothing has changed. */
enum err listen_renew(struct listen *listen, struct fault *fault);
/* Removes the socket file if it still is ours; who connects from now on finds no daemon. */
void listen_unlink(struct listen *listen);
/* Unlinks, closes, unlocks. */
void listen_finish(struct listen *listen);

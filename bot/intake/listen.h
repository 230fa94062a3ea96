/*
 * listen.h - the listening descriptor of the Unix socket: systemd's, or one created here.
 *
 * One created here: a lock file beside the path keeps two daemons apart; under the lock, a
 * connect(2) shows whether another process serves the path; the new socket is made ready (mode,
 * group, listening) under the path with ".new" and then renamed, so that no client finds it half
 * ready. The lock file is never removed: otherwise two daemons could each hold a lock, on different
 * files.
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
	dev_t dev;   /* identifies the socket file, so that no other is removed */
	ino_t ino;
};

/* ERR_BUSY: a running daemon uses the path. ERR_EXISTS: the path is not a socket. ERR_CONFIG: path
 * too long, unknown group. ERR_DENIED, ERR_IO: as the system says. On failure *listen is
 * finished. */
enum err listen_init(struct listen *listen, const struct config *config, struct fault *fault);
/* True when the socket file was removed or replaced by another. Always false for systemd's. */
bool listen_is_lost(const struct listen *listen);
/* Creates the socket again in listen->fd, under the lock that is still held. ERR_BUSY: another
 * daemon uses the path now. On failure nothing has changed. */
enum err listen_renew(struct listen *listen, struct fault *fault);
/* Removes the socket file if it is still the one created here; later clients find no daemon. */
void listen_unlink(struct listen *listen);
/* Removes the socket file, closes the descriptor, and releases the lock. */
void listen_finish(struct listen *listen);

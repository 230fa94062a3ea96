/*
 * peer.h - who handed something in over the socket, as the kernel says (SO_PEERCRED).
 */
#pragma once

#include <stdint.h>

struct alert_peer {
	int64_t uid, gid, pid; /* -1 = unknown */
	const char *name;      /* of the token it came with, or NULL; good while it is handed in */
};

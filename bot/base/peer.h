/*
 * peer.h - the sender of a request on the socket, as reported by the kernel (SO_PEERCRED).
 */
#pragma once

#include <stdint.h>

struct alert_peer {
	int64_t uid, gid, pid; /* -1 = unknown */
	const char
	        *name; /* name of the token it used, or NULL; valid while the request is handled */
};

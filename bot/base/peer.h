/*
 * peer.h - the sender of a request on the socket, as reported by the kernel (SO_PEERCRED).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct alert_peer {
	int64_t uid, gid, pid; /* -1 = unknown */
	const char
	        *name; /* name of the token it used, or NULL; valid while the request is handled */
};

/* Who that is, in words: "anna (uid 1000)", or "uid 1000" without an entry in /etc/passwd; other
 * sources of names may be slow and are not asked. Reads a file: not on the loop. */
void peer_name(int64_t uid, char *name, size_t size);

/*
 * peer.c - see peer.h.
 */
#include "bot/base/peer.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>

void peer_name(int64_t uid, char *name, size_t size)
{
	FILE *file = fopen("/etc/passwd", "re");
	struct passwd user, *found = NULL;
	char line[1024];

	while (file && fgetpwent_r(file, &user, line, sizeof(line), &found) == 0)
		if ((int64_t)user.pw_uid == uid)
			break;
	if (found && *found->pw_name)
		snprintf(name, size, "%.40s (uid %" PRId64 ")", found->pw_name, uid);
	else
		snprintf(name, size, "uid %" PRId64, uid);
	if (file)
		fclose(file);
}

/*
 * files.c - see files.h.
 */
#include "bot/base/files.h"

#include <sys/resource.h>

#define FILES_WANTED 8192 /* twice the maximum of [socket] max_clients */
#define FILES_KEPT 64     /* not for clients; of a small limit, a quarter */

void files_raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= FILES_WANTED)
		return;
	limit.rlim_cur = limit.rlim_max < FILES_WANTED ? limit.rlim_max : FILES_WANTED;
	setrlimit(RLIMIT_NOFILE, &limit);
}

bool files_are_few(int fd)
{
	struct rlimit limit;
	rlim_t kept;

	if (fd < 0 || getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return false;
	kept = limit.rlim_cur / 4 < FILES_KEPT ? limit.rlim_cur / 4 : FILES_KEPT;
	return (rlim_t)fd >= limit.rlim_cur - kept;
}

/*
 * replace_file.h - puts a text in the place of a file, as a whole: nobody ever sees half of it.
 */
#pragma once

#include <sys/types.h>
#include "bot/base/err.h"

struct file_owner {
	uid_t uid;
	gid_t gid;
	mode_t mode;
};

/* Whether replace_file() can work there, without a change to the file. ERR_IO. */
enum err replace_file_may(const char *path, struct fault *fault);
/* Durable when it returns OK. owner NULL: this process' own, 0600. A symbolic link is replaced, not
 * followed. Signals wait meanwhile, so that nothing is left behind. ERR_IO, ERR_FULL. */
enum err replace_file(
        const char *path, const char *text, const struct file_owner *owner, struct fault *fault);

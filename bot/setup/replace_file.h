/*
 * replace_file.h - replaces a file by a text atomically: nobody sees a part of it.
 */
#pragma once

#include <sys/types.h>
#include "bot/base/err.h"

struct file_owner {
	uid_t uid;
	gid_t gid;
	mode_t mode;
};

/* Whether replace_file() would succeed, without changing the file. ERR_IO. */
enum err replace_file_may(const char *path, struct fault *fault);
/* Durable on disk when it returns OK. owner NULL: this process' user, 0600. A symbolic link is
 * replaced, not followed. Signals are blocked meanwhile, so that no temporary file is left behind.
 * ERR_IO, ERR_FULL. */
enum err replace_file(
        const char *path, const char *text, const struct file_owner *owner, struct fault *fault);

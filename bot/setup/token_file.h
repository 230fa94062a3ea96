/*
 * token_file.h - stores the access token in a file of its own.
 */
#pragma once

#include "bot/base/err.h"

/* Whether token_file_write() can work there, without a change to the file. ERR_IO. */
enum err token_file_may_write(const char *path, struct fault *fault);
/* Replaces the file as a whole, 0600, durable when it returns OK. A symbolic link is replaced,
 * not followed. ERR_IO, ERR_FULL. */
enum err token_file_write(const char *path, const char *token, struct fault *fault);

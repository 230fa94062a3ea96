/*
 * spool_write.h - the writing side of the spool (bot/intake/spool.h tells the layout), without
 * libuv, for matrix-send-message.
 */
#pragma once

#include <jansson.h>
#include "bot/base/err.h"

#define SPOOL_NAME_MAX 64

/* Writes one request, durable when it returns OK; the folder is created (0700) when missing.
 * name receives the file's name. ERR_FULL, ERR_DENIED, ERR_IO. */
enum err spool_write(
        const char *folder, const json_t *request, char name[SPOOL_NAME_MAX], struct fault *fault);

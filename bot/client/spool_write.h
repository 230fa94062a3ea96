/*
 * spool_write.h - writes to the spool for matrix-send-message, without libuv (bot/intake/spool.h
 * describes the layout).
 */
#pragma once

#include <jansson.h>
#include "bot/base/err.h"

#define SPOOL_NAME_MAX 64

/* Writes one request; it is durable on disk when this returns OK. The folder is created (0700) when
 * missing. name receives the file's name. ERR_FULL, ERR_DENIED, ERR_IO. */
enum err spool_write(
        const char *folder, const json_t *request, char name[SPOOL_NAME_MAX], struct fault *fault);

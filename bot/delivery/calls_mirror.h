/*
 * calls_mirror.h - copies rows of the calls table into another app's database, off the loop.
 *
 * Best effort by design: rows wait in a bounded queue (the oldest is dropped when it is full),
 * are written one after another on libuv's pool, and a failure costs that copy alone. The first
 * failure of a kind is logged, and the recovery.
 */
#pragma once

#include <uv.h>
#include "bot/config/config.h"
#include "storage/calls.h"

struct mirror;

/* *out is NULL (and OK returned) when the config names no calls_table. */
enum err mirror_create(
        struct mirror **out, uv_loop_t *loop, const struct config *config, struct fault *fault);
/* The row and its strings are copied. */
void mirror_add(struct mirror *mirror, const struct call_row *row);
/* Writes what is queued, then calls closed(arg) once and frees. */
void mirror_close(struct mirror *mirror, void (*closed)(void *arg), void *arg);

/*
 * calls_mirror.h - copies rows of the calls table into another app's database, off the loop.
 *
 * Best effort by design: rows wait in a bounded queue (the oldest is dropped when it is full),
 * are written one after another on libuv's pool, and a failure costs that copy alone. The first
 * failure of a kind is logged, and the recovery. While the config names no calls_table, rows are
 * dropped.
 */
#pragma once

#include <uv.h>
#include "bot/config/config.h"
#include "storage/calls.h"

struct mirror;

/* Never NULL; a config that cannot be followed is told in the log. */
struct mirror *mirror_create(uv_loop_t *loop, struct config *config);
void mirror_configure(struct mirror *mirror, struct config *config);
/* The row and its strings are copied. */
void mirror_add(struct mirror *mirror, const struct call_row *row);
/* Writes what is queued, as long as the other database takes it at once; then calls closed(arg)
 * once and frees. */
void mirror_close(struct mirror *mirror, void (*closed)(void *arg), void *arg);

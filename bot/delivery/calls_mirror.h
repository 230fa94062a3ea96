/*
 * calls_mirror.h - copies rows of the calls table into another app's database, off the loop.
 *
 * Best effort by design: rows wait in a bounded queue (the oldest is dropped when it is full), are
 * written one after another on libuv's pool, and a failure loses only that copy. The first failure
 * of a kind and the recovery are logged. While the config names no calls_table, rows are dropped.
 */
#pragma once

#include <uv.h>
#include "bot/config/config.h"
#include "storage/calls.h"

struct mirror;

/* Never NULL; a calls_table that cannot be used is logged. */
struct mirror *mirror_create(uv_loop_t *loop, struct config *config);
void mirror_configure(struct mirror *mirror, struct config *config);
/* The row and its strings are copied. */
void mirror_add(struct mirror *mirror, const struct call_row *row);
/* Writes the queued rows, unless the other database is slow or locked; then calls closed(arg) once
 * and frees. */
void mirror_close(struct mirror *mirror, void (*closed)(void *arg), void *arg);

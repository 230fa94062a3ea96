/*
 * pruner.h - deletes what is older than [storage] retention and over, a little every few minutes,
 * so that commits stay short. What may go says storage/prune.c.
 */
#pragma once

#include <uv.h>
#include "bot/config/config.h"
#include "bot/loop/writer.h"

struct prune;

/* The writer is borrowed and must outlive it; the config is referenced. */
struct prune *prune_create(uv_loop_t *loop, struct writer *writer, struct config *config);
void prune_configure(struct prune *prune, struct config *config);
/* Calls closed(arg) once, when nothing is under way, and frees. */
void prune_close(struct prune *prune, void (*closed)(void *arg), void *arg);

/*
 * pruner.h - deletes finished data older than [storage] retention, in small batches every few
 * minutes, so that commits stay short. storage/prune.c decides what may be deleted; a batch costs
 * what it deletes, and what is as old and must be kept.
 */
#pragma once

#include <uv.h>
#include "bot/config/config.h"
#include "bot/loop/writer.h"

struct pruner;

/* The writer is borrowed and must outlive it; the config is referenced. */
struct pruner *pruner_create(uv_loop_t *loop, struct writer *writer, struct config *config);
void pruner_configure(struct pruner *prune, struct config *config);
/* Calls closed(arg) once, when no job is in progress, and frees. */
void pruner_close(struct pruner *prune, void (*closed)(void *arg), void *arg);

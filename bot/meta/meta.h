/*
 * meta.h - the channels of [meta], which report a missing heartbeat independently of the bot's own
 * room.
 *
 * Each channel stands alone, with its own queue, time limits and log lines: one that hangs or
 * fails blocks neither the others nor the caller. An alarm is lost when the process ends before it
 * was sent; the caller raises it again if its cause persists.
 */
#pragma once

#include <uv.h>
#include "bot/config/config.h"

struct meta;

/* The config is referenced. Never NULL; without configured channels it does nothing. */
struct meta *meta_create(uv_loop_t *loop, struct config *config);
void meta_configure(struct meta *meta, struct config *config);

/* Sends the text (copied) by `exec` and by the second account, as far as they are configured. */
void meta_raise(struct meta *meta, const char *text);
/* Fetches ping_url, if one is configured. */
void meta_ping(struct meta *meta);

/* Cancels what is in progress (a command gets a moment to end); then calls closed(arg) once and
 * frees. */
void meta_close(struct meta *meta, void (*closed)(void *arg), void *arg);

/*
 * meta.h - who hears of it when the heartbeat itself is missing: the channels of [meta] besides
 * the bot's own room.
 *
 * Each channel stands alone, with its own queue, time limits and log lines: one that hangs or
 * fails holds up no other, and never the caller. What is raised is lost when the process ends
 * before it was told; the caller raises again what still holds.
 */
#pragma once

#include <uv.h>
#include "bot/config/config.h"

struct meta;

/* The config is referenced. Never NULL, whatever is configured: without channels it does nothing.
 */
struct meta *meta_create(uv_loop_t *loop, struct config *config);
void meta_configure(struct meta *meta, struct config *config);

/* Tells the text by `exec` and by the second account, as far as they are configured. Copied. */
void meta_raise(struct meta *meta, const char *text);
/* Fetches ping_url, if one is configured. */
void meta_ping(struct meta *meta);

/* Gives up what is under way (a command gets a few seconds); then calls closed(arg) once and
 * frees. */
void meta_close(struct meta *meta, void (*closed)(void *arg), void *arg);

/*
 * reload.h - the config of a daemon: read at its start, and again at each SIGHUP.
 *
 * A reload is read on libuv's pool, one at a time; a signal meanwhile makes another. A bad config
 * is refused as a whole, with its faults in the log, and the old one stays. systemd is told.
 */
#pragma once

#include <uv.h>
#include "bot/config/config.h"

/* Blocks: before the loop turns. Puts the config's [log] in force; faults go to the log. */
enum err reload_first(const char *path, struct config **out);

struct reload;

/* apply: gets each new config, borrowed; false: the old one stays, and the log says why. path:
 * copied. */
struct reload *reload_create(uv_loop_t *loop, const char *path,
        bool (*apply)(struct config *config, void *arg), void *arg);
/* Nothing is applied any more; calls closed(arg) once and frees. */
void reload_close(struct reload *reload, void (*closed)(void *arg), void *arg);

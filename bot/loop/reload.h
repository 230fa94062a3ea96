/*
 * reload.h - the config of a daemon: read at its start, and again at each SIGHUP and on request.
 *
 * A reload is read on libuv's pool, one at a time; what is asked for meanwhile makes another. A bad
 * config is rejected as a whole, with its faults in the log, and the previous one stays. systemd is
 * told.
 */
#pragma once

#include <uv.h>
#include "bot/config/config.h"

/* Blocks: before the loop turns. Puts the config's [log] in force; faults go to the log. */
enum err reload_first(const char *path, struct config **out);

struct reload;

/* apply: gets each new config, borrowed; not OK: the previous one stays, fault says why. path:
 * copied. */
struct reload *reload_create(uv_loop_t *loop, const char *path,
        enum err (*apply)(struct config *config, struct fault *fault, void *arg), void *arg);

/* problem: "" when the config is in force, else its faults, one a line; good for the call. */
typedef void (*reload_done_fn)(const char *problem, void *arg);
/* Reads the config anew. Calls done once, never before it returns. */
void reload_ask(struct reload *reload, reload_done_fn done, void *arg);
/* Nothing is applied any more, nobody may wait; calls closed(arg) once and frees. */
void reload_close(struct reload *reload, void (*closed)(void *arg), void *arg);

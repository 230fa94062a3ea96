/*
 * reload.h - reads a daemon's config at its start, at each SIGHUP and on request.
 *
 * The config is read on libuv's pool, one reload at a time; requests that arrive meanwhile cause
 * one more. An invalid config, or one with a token file that cannot be read, is rejected, its
 * errors are logged, and the previous one is kept. systemd is notified.
 */
#pragma once

#include <uv.h>
#include "bot/config/config.h"

/* Reads the first config, before the loop runs: it blocks. Applies the config's [log] section;
 * errors are logged. */
enum err reload_first(const char *path, struct config **out);

struct reload;

/* started: the config that the process started with; its file is read again. apply: called with
 * each new config, borrowed; when it does not return OK, the previous one is kept and fault says
 * why. */
struct reload *reload_create(uv_loop_t *loop, struct config *started,
        enum err (*apply)(struct config *config, struct fault *fault, void *arg), void *arg);

/* problem: "" when the config was applied, else its errors, one per line. restart: of an applied
 * config the keys that wait for a restart, as config_name_restart_keys() lists them. Both are valid
 * during the call. */
typedef void (*reload_done_fn)(const char *problem, const char *restart, void *arg);
/* Reloads the config. Calls done once, never before it returns. */
void reload_ask(struct reload *reload, reload_done_fn done, void *arg);
/* No config is applied after this, and no request may be waiting; calls closed(arg) once and
 * frees. */
void reload_close(struct reload *reload, void (*closed)(void *arg), void *arg);

/*
 * watcher.h - the independent watcher: follows the room of another bot's heartbeat by its own
 * account and tells when that stays away (handlers/heartbeats/absence.h). It obeys nobody and sends
 * nothing else.
 */
#pragma once

#include <stdbool.h>
#include "bot/config/config.h"

struct watcher_options {
	const char *config_path;
	bool new_device; /* --accept-new-device */
};

/* Runs until SIGTERM or SIGINT; returns an exit code of sysexits(3). */
int watcher_run(const struct watcher_options *options);

/*
 * `watch --check`: how a running watcher and its bot are, from the watcher's database, in one line
 * (or JSON). Returns an exit code of Nagios' plugins, not of sysexits(3): 0 ok, 1 warning, 2
 * critical, 3 unknown; what calls it (Nagios, cron) knows these.
 */
int watcher_check(const char *config_path, bool json);

/* `watch --check-config`: whether a watcher would take this config over, told on standard error if
 * not. EX_OK or EX_CONFIG. */
int watcher_check_config(const char *config_path);

/* What [heartbeat] lacks for a watcher; NULL when nothing. */
const char *watcher_lacks(const struct config *config);

/*
 * watcher.h - the independent watcher: follows the room of another bot's heartbeat with an account
 * of its own and reports when the heartbeat is missing (handlers/heartbeats/absence.h). It accepts
 * no commands and sends nothing else.
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
 * `watch --check`: the state of a running watcher and its bot, from the watcher's database, in one
 * line (or JSON). Returns an exit code of Nagios plugins, not of sysexits(3), as monitoring and
 * cron expect: 0 ok, 1 warning, 2 critical, 3 unknown.
 */
int watcher_check(const char *config_path, bool json);

/* `watch --check-config`: whether a watcher would accept this config; prints the errors on standard
 * error. EX_OK or EX_CONFIG. */
int watcher_check_config(const char *config_path);

/* Which key of [heartbeat] a watcher needs is missing; NULL = none. */
const char *watcher_lacks(const struct config *config);

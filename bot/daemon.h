/*
 * daemon.h - the daemon: puts the parts together, runs the loop, takes them apart again.
 */
#pragma once

#include <stdbool.h>

struct bot_options {
	const char *config_path;
	bool new_device; /* --accept-new-device */
};

/* Runs until SIGTERM or SIGINT; returns an exit code of sysexits(3). */
int bot_run(const struct bot_options *options);

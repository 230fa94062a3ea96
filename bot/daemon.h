/*
 * daemon.h - the daemon: puts the parts together, runs the loop, takes them apart again.
 */
#pragma once

#include <stdbool.h>

struct daemon_options {
	const char *config_path;
	bool new_device; /* --accept-new-device */
};

/* Runs until SIGTERM or SIGINT; returns an exit code of sysexits(3). */
int daemon_run(const struct daemon_options *options);

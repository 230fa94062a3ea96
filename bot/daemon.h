/*
 * daemon.h - the daemon: starts its parts, runs the event loop, and stops them again.
 */
#pragma once

#include <stdbool.h>

struct daemon_options {
	const char *config_path;
	bool new_device; /* --accept-new-device */
};

/* Runs until SIGTERM or SIGINT; returns an exit code of sysexits(3). */
int daemon_run(const struct daemon_options *options);

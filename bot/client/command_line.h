/*
 * command_line.h - the subcommands that talk to a running daemon: one table row each.
 */
#pragma once

#include <stdbool.h>

/*
 * Runs `verb` (argv[0] is the verb, argc counts it) and returns a sysexits(3) status. Without
 * json the answer's `text` is printed, with json the whole answer as one line.
 */
int client_command(const char *verb, const char *config_path, bool json, int argc, char **argv);

/*
 * Tells a failure that is no answer of the daemon, and returns its sysexits(3) status: with json
 * as an answer like the daemon's on standard output, else as text on standard error.
 */
int client_fail(int status, bool json, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

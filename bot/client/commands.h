/*
 * commands.h - the subcommands that talk to a running daemon: one table row each.
 */
#pragma once

#include <stdbool.h>

/*
 * Runs `verb` (argv[0] is the verb, argc counts it) and returns a sysexits(3) status. Without
 * json the answer's `text` is printed, with json the whole answer as one line.
 */
int client_command(const char *verb, const char *config_path, bool json, int argc, char **argv);

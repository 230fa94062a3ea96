/*
 * command_line.h - the subcommands that talk to a running daemon: rows of the table of commands
 * (handlers/commands/table.h) that may be used on a command line.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include "handlers/commands/table.h"

struct command_line {
	const char *config;  /* path */
	bool check;          /* of status: a line and an exit code as of Nagios' plugins */
	bool quiet;          /* nothing is printed unless something is wrong */
	bool json;           /* the whole answer as one line, else its `text` */
	const json_t *words; /* behind the command's name; NULL: they are no UTF-8 */
};

/* Asks the daemon, and returns a sysexits(3) status. */
int client_command(const struct command *command, const struct command_line *line);

/*
 * Tells a failure that is no answer of the daemon, and returns its sysexits(3) status: with json
 * as an answer like the daemon's on standard output, else as text on standard error.
 */
int client_fail(int status, bool json, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/*
 * command_line.h - the subcommands that talk to a running daemon: the rows of the table of commands
 * (handlers/commands/table.h) that can be used on the command line.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include "handlers/commands/table.h"

struct command_line {
	const char *config; /* path */
	bool check; /* of status: prints one line and returns an exit code, as a Nagios plugin */
	bool quiet; /* print only problems */
	bool json;  /* print the whole answer as one line of JSON instead of its `text` */
	const json_t *words; /* after the command's name; NULL: they are not UTF-8 */
};

/* Sends the command to the daemon, prints the answer, and returns a sysexits(3) status. */
int client_command(const struct command *command, const struct command_line *line);

/*
 * Reports a failure that is not an answer of the daemon, and returns `status` (of sysexits(3)):
 * with json in the form of the daemon's answers on standard output, else as text on standard error.
 */
int client_fail(int status, bool json, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

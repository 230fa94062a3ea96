/*
 * command_whom.h - which alerts !ack and !resolve mean: runs, those of an app, or all; and the note
 * behind them. For handlers/commands/ only.
 */
#pragma once

#include "handlers/commands/command.h"

/* All members are owned. */
struct whom {
	json_t *runs; /* array of run ids; empty in a reply that names nothing */
	char *app;    /* or NULL */
	bool all;
	char *note; /* may be empty */
};

/*
 * Reads the words: run ids in a list with commas, blanks or "and" between them, then the note. What
 * looks like one of them behind a comma is among the runs even if it is unknown, so that it is
 * named instead of becoming a note. many: "all" and an app are understood, too. Fails the command
 * when the first word is no run and it is in no reply.
 */
enum err whom_read(struct command_call *call, struct input *words, bool many, struct whom *whom);
void whom_finish(struct whom *whom);

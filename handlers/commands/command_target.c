/*
 * command_target.c - the alerts that a command in a reply or in a thread is about (command.h).
 */
#include <string.h>
#include "handlers/commands/command.h"
#include "handlers/oncall/about.h"

enum err command_target(struct command_call *call, struct entry_row **rows, size_t *len)
{
	enum err err = call->target ? about_event(call->env->store, call->target, rows, len)
	                            : ERR_NOT_FOUND;

	if (err == ERR_NOT_FOUND && call->thread &&
	        (!call->target || strcmp(call->thread, call->target) != 0))
		err = about_event(call->env->store, call->thread, rows, len);
	return err == ERR_NOT_FOUND ? OK : err;
}

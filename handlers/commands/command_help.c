/*
 * command_help.c - !help: what there is, or one command in full.
 */
#include <stdlib.h>
#include <string.h>
#include "bot/base/text.h"
#include "handlers/commands/command.h"
#include "handlers/commands/command_text.h"

/* One short line each. */
static void help_list(struct command_call *call)
{
	for (size_t i = 0; i < commands_len; i++)
		command_say(call, "%s%s — %.*s\n", command_prefix(call), commands[i].example,
		        (int)strcspn(commands[i].help, "\n"), commands[i].help);
	command_say(call, "%shelp <command> says more, with an example\n", command_prefix(call));
}

enum err command_help(struct command_call *call)
{
	const char *at = call->args, *near;
	char *word = command_word_bare(&at);
	const char *prefix = call->env->config->commands.prefix, *name = word;
	const struct command *command;

	if (strncmp(name, prefix, strlen(prefix)) == 0)
		name += strlen(prefix);
	command = command_find(name);
	near = command_nearest(name);
	if (!*word)
		help_list(call);
	else if (command)
		command_say(call, "%s%s — %s\nLike: %s%s\n", command_prefix(call), command->usage,
		        command->help, command_prefix(call), command->example);
	else if (near)
		command_fail(
		        call, "No such command. Did you mean %s%s?", command_prefix(call), near);
	else
		command_fail(call, "No such command; %shelp lists them.", command_prefix(call));
	free(word);
	return OK;
}

/*
 * command_help.c - !help: lists the commands, or explains one.
 */
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/text.h"
#include "handlers/commands/command.h"

/* The first line of a command's help. */
static void say_short(struct command_call *call, const struct command *command)
{
	words_command(&call->text, "%s%s", command_prefix(call), command->example);
	command_say(call, " %.*s", (int)strcspn(command->help, "\n"), command->help);
}

static void help_list(struct command_call *call)
{
	const struct command *command;

	words_bold(&call->text, true);
	command_say(call, "Commands");
	words_bold(&call->text, false);
	words_list(&call->text, SIZE_MAX, NULL);
	for (size_t i = 0; (command = command_at(i)); i++)
		if (command->where & COMMAND_ROOM) {
			words_item(&call->text);
			say_short(call, command);
		}
	words_list_end(&call->text);
	command_say(call, "`%shelp silence` explains one", command_prefix(call));
}

/* Adds a line of help, in which a command has the prefix with which it is sent here. */
static void help_say_line(struct command_call *call, char *line)
{
	char *part, name[32];

	for (bool code = false; (part = strsep(&line, "`")); code = !code) {
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(part, " "), part);
		if (!code)
			command_say(call, "%s", part);
		else
			words_command(&call->text, "%s%s",
			        command_find(name, COMMAND_ROOM) ? command_prefix(call) : "", part);
	}
}

static void command_help_help_one(struct command_call *call, const struct command *command)
{
	char *help = x_asprintf("%s%s", command->help,
	             command->plain && !call->encrypted ? command->plain : ""),
	     *rest = help, *line;
	struct buf usage;

	buf_init(&usage, 200);
	command_add_usage(command, &usage);
	words_command(&call->text, "%s%s", command_prefix(call), buf_str(&usage));
	command_say(call, " ");
	while ((line = strsep(&rest, "\n"))) {
		help_say_line(call, line);
		words_break(&call->text);
	}
	if (strcmp(command->example, buf_str(&usage)) != 0)
		command_say(call, "Example: `%s%s`", command_prefix(call), command->example);
	buf_finish(&usage);
	free(help);
}

static enum err run_help(struct command_call *call)
{
	const char *prefix = call->env->config->commands.prefix;
	const char *name = command_arg(call, "command");
	const struct command *near;

	if (!name) {
		help_list(call);
		return OK;
	}
	if (strncmp(name, prefix, strlen(prefix)) == 0)
		name += strlen(prefix);
	near = command_nearest(name, COMMAND_ROOM);
	if (command_find(name, COMMAND_ROOM))
		command_help_help_one(call, command_find(name, COMMAND_ROOM));
	else if (near)
		command_fail(call, "There is no such command. Did you mean `%s%s`?",
		        command_prefix(call), near->name);
	else
		command_fail(call, "There is no such command. `%shelp` lists them.",
		        command_prefix(call));
	return OK;
}

const struct command command_help = {
        .name = "help",
        .help = "list commands",
        .example = "help silence",
        .where = COMMAND_ROOM,
        .run = run_help,
        .members = {{"command", MEMBER_WORD}},
};

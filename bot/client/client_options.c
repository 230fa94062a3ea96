/*
 * client_options.c - see client_options.h.
 */
#include <string.h>
#include "bot/client/client_options.h"

void options_init(struct options *options, const struct option_row *rows, int argc, char **argv)
{
	*options = (struct options){.rows = rows, .argc = argc, .argv = argv, .next = 1};
}

static int find_row(const struct option_row *rows, const char *argument, size_t len)
{
	for (int i = 0; rows[i].name; i++) {
		bool is_long = len > 2 && argument[1] == '-' &&
		               strncmp(rows[i].name, argument + 2, len - 2) == 0 &&
		               rows[i].name[len - 2] == '\0';
		if (is_long || (len == 2 && rows[i].letter && argument[1] == rows[i].letter))
			return i;
	}
	return OPTIONS_BAD;
}

int options_next(struct options *options)
{
	if (options->next < options->argc && !options->operands_only &&
	        strcmp(options->argv[options->next], "--") == 0) {
		options->operands_only = true;
		options->next++;
	}
	if (options->next >= options->argc)
		return OPTIONS_END;

	const char *argument = options->argv[options->next++];
	/* "-" alone is an operand: standard input. */
	if (options->operands_only || argument[0] != '-' || argument[1] == '\0') {
		options->value = argument;
		return OPTIONS_OPERAND;
	}
	const char *equals = argument[1] == '-' ? strchr(argument, '=') : NULL;
	int row = find_row(
	        options->rows, argument, equals ? (size_t)(equals - argument) : strlen(argument));
	if (row == OPTIONS_BAD) {
		snprintf(options->message, sizeof(options->message), "unknown option %.100s",
		        argument);
		return OPTIONS_BAD;
	}
	const struct option_row *found = &options->rows[row];
	options->value = equals ? equals + 1 : NULL;
	if (found->argument && !equals) {
		if (options->next >= options->argc) {
			snprintf(options->message, sizeof(options->message), "--%s wants %s",
			        found->name, found->argument);
			return OPTIONS_BAD;
		}
		options->value = options->argv[options->next++];
	} else if (!found->argument && equals) {
		snprintf(options->message, sizeof(options->message), "--%s takes no value",
		        found->name);
		return OPTIONS_BAD;
	}
	return row;
}

void options_help(const struct option_row *rows, FILE *out)
{
	char left[48];

	for (; rows->name; rows++) {
		snprintf(left, sizeof(left), "%c%c%s--%s%s%s", rows->letter ? '-' : ' ',
		        rows->letter ? rows->letter : ' ', rows->letter ? ", " : "  ", rows->name,
		        rows->argument ? " " : "", rows->argument ? rows->argument : "");
		for (const char *line = rows->help; line;) {
			const char *end = strchr(line, '\n');
			fprintf(out, "  %-26s %.*s\n", line == rows->help ? left : "",
			        (int)(end ? end - line : (long)strlen(line)), line);
			line = end ? end + 1 : NULL;
		}
	}
}

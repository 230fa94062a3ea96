/*
 * client_options.c - see client_options.h.
 */
#include <string.h>
#include "bot/client/client_options.h"

#define COLUMN 26 /* where the help text begins */
#define FIRST 256 /* what getopt_long(3) returns for the first row, above all letters */

void options_init(struct options *options, const struct option_row *rows, int argc, char **argv)
{
	char *letter = options->letters;

	*options = (struct options){.rows = rows, .argc = argc, .argv = argv};
	letter = stpcpy(letter, "-:"); /* operands in their order; a missing value is reported
	                                  differently from an unknown option */
	for (int i = 0; rows[i].name; i++) {
		options->names[i] = (struct option){rows[i].name,
		        rows[i].argument ? required_argument : no_argument, NULL, FIRST + i};
		if (rows[i].letter)
			*letter++ = rows[i].letter;
		if (rows[i].letter && rows[i].argument)
			*letter++ = ':';
	}
	opterr = 0;
	optind = 0; /* glibc: restart scanning */
}

static int find_letter(const struct option_row *rows, int letter)
{
	for (int i = 0; rows[i].name; i++)
		if (rows[i].letter == letter)
			return i;
	return 0;
}

static int client_options_complain(struct options *options, int code)
{
	int row = optopt >= FIRST ? optopt - FIRST : find_letter(options->rows, optopt);
	const struct option_row *found = &options->rows[row];

	if (code == ':')
		snprintf(options->message, sizeof(options->message), "--%s wants %s", found->name,
		        found->argument);
	else if (optopt >= FIRST)
		snprintf(options->message, sizeof(options->message), "--%s takes no value",
		        found->name);
	else if (optopt)
		snprintf(options->message, sizeof(options->message), "unknown option -%c", optopt);
	else
		snprintf(options->message, sizeof(options->message), "unknown option %.100s",
		        options->argv[optind - 1]);
	return OPTIONS_BAD;
}

int options_next(struct options *options)
{
	int code = -1;

	if (!options->operands_only)
		code = getopt_long(
		        options->argc, options->argv, options->letters, options->names, NULL);
	options->value = optarg;
	options->rest = options->argv + optind - 1;
	if (code == 1)
		return OPTIONS_OPERAND;
	if (code == '?' || code == ':')
		return client_options_complain(options, code);
	if (code >= 0)
		return code >= FIRST ? code - FIRST : find_letter(options->rows, code);
	options->operands_only = true;
	if (optind >= options->argc)
		return OPTIONS_END;
	options->rest = options->argv + optind;
	options->value = options->argv[optind++];
	return OPTIONS_OPERAND;
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
			if (line == rows->help &&
			        strlen(left) > COLUMN) /* help on a line of its own */
				fprintf(out, "  %s\n", left);
			fprintf(out, "  %-*s %.*s\n", COLUMN,
			        line == rows->help && strlen(left) <= COLUMN ? left : "",
			        (int)(end ? end - line : (long)strlen(line)), line);
			line = end ? end + 1 : NULL;
		}
	}
}

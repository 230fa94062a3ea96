/*
 * client_options.h - a program's command line as one table: parser and --help text read the same
 * rows. Long options take "--name value" or "--name=value"; a letter takes "-c value"; "--" ends
 * them. Options and operands may be mixed.
 */
#pragma once

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>

struct option_row {
	const char *name;     /* without dashes; NULL ends the table */
	char letter;          /* 0 = none */
	const char *argument; /* what it takes, for people; NULL = nothing */
	const char *help;     /* lines separated by \n */
};

#define OPTIONS_MAX 40

struct options {
	const struct option_row *rows;
	int argc;
	char **argv;
	bool operands_only;            /* "--" was met, or the end */
	char letters[2 * OPTIONS_MAX]; /* for getopt_long(3) */
	struct option names[OPTIONS_MAX];
	const char *value; /* of the option or operand just returned; of argv */
	char **rest;       /* the operand just returned and what stands behind it; of argv */
	char message[160]; /* why OPTIONS_BAD */
};

enum { OPTIONS_END = -1, OPTIONS_OPERAND = -2, OPTIONS_BAD = -3 };

/* Starts after argv[0]. Only one at a time: getopt_long(3) keeps its place in globals. */
void options_init(struct options *options, const struct option_row *rows, int argc, char **argv);
/* The index of the next option's row, or one of the negative values above. */
int options_next(struct options *options);
void options_help(const struct option_row *rows, FILE *out);

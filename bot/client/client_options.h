/*
 * client_options.h - a command line described by one table, from which both the parser and the
 * --help text are made. Long options take "--name value" or "--name=value"; a letter takes "-c
 * value"; "--" ends them. Options and operands may be mixed.
 */
#pragma once

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>

struct option_row {
	const char *name;     /* without dashes; NULL ends the table */
	char letter;          /* 0 = none */
	const char *argument; /* placeholder for its argument in --help; NULL = no argument */
	const char *help;     /* lines separated by \n */
};

#define OPTIONS_MAX 40

struct options {
	const struct option_row *rows;
	int argc;
	char **argv;
	bool operands_only;            /* after "--" or at the end */
	char letters[2 * OPTIONS_MAX]; /* for getopt_long(3) */
	struct option names[OPTIONS_MAX];
	const char *value; /* of the option or operand returned last; borrowed from argv */
	char **rest;       /* the operand returned last and all that follows; borrowed from argv */
	char message[160]; /* the reason of OPTIONS_BAD */
};

enum { OPTIONS_END = -1, OPTIONS_OPERAND = -2, OPTIONS_BAD = -3 };

/* Starts after argv[0]. Only one at a time: getopt_long(3) keeps its place in globals. */
void options_init(struct options *options, const struct option_row *rows, int argc, char **argv);
/* The index of the next option's row, or one of the negative values above. */
int options_next(struct options *options);
void options_help(const struct option_row *rows, FILE *out);

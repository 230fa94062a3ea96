/*
 * argv.h - a command line split into words by quotes, without a shell.
 *
 * Words are parted by blanks. '…' is taken as it is; within "…" a backslash takes the special
 * meaning from " and from itself; outside of quotes it does so for whatever follows. Nothing is
 * expanded: no variables, no patterns, no ~.
 */
#pragma once

#include "bot/base/err.h"

/* *out: the words, ended by NULL, at least one; argv_free() frees it. ERR_INVALID (*out is NULL):
 * a quote that is not closed, a backslash at the end, or no word. */
enum err argv_split(const char *text, char ***out, struct fault *fault);
void argv_free(char **words); /* NULL is allowed */

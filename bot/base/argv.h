/*
 * argv.h - a command line split into words by quotes, without a shell.
 *
 * Words are separated by blanks. '…' is literal; within "…" a backslash escapes " and itself;
 * outside of quotes it escapes any character. Nothing is expanded: no variables, no patterns, no ~.
 */
#pragma once

#include "bot/base/err.h"

/* *out: the words, at least one, NULL-terminated; free it with argv_free(). ERR_INVALID (*out is
 * NULL): an unclosed quote, a backslash at the end, or no word. */
enum err argv_split(const char *text, char ***out, struct fault *fault);
void argv_free(char **words); /* NULL is allowed */

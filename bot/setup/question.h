/*
 * question.h - questions to the user on the terminal, and progress messages of a command, both on
 * standard output.
 */
#pragma once

#include <stdbool.h>
#include "bot/base/err.h"

/* Whether a user can answer: standard input is a terminal. */
bool question_possible(void);

/* Reads a line without its end and surrounding blanks; an empty line gives the fallback (NULL: "").
 * *out is owned by the caller. ERR_CANCELED: end of the input; ERR_TOO_LARGE. */
enum err question_text(const char *prompt, const char *fallback, char **out, struct fault *fault);

/* Asks until the answer is yes or no. ERR_CANCELED. */
enum err question_yes(const char *prompt, bool fallback, bool *yes, struct fault *fault);

/* Prints "Making keys … " now and the result on the same line later: for what takes long. */
void question_begin(const char *format, ...) __attribute__((format(printf, 1, 2)));
void question_end(const char *how);

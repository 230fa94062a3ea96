/*
 * question.h - questions to a person on the terminal, and what a command says meanwhile, both on
 * standard output.
 */
#pragma once

#include <stdbool.h>
#include "bot/base/err.h"

/* Whether somebody is there to answer: standard input is a terminal. */
bool question_possible(void);

/* A line without its end and the blanks around it; an empty one is the fallback (NULL: ""). *out is
 * owned by the caller. ERR_CANCELED: the input ended; ERR_TOO_LARGE. */
enum err question_text(const char *prompt, const char *fallback, char **out, struct fault *fault);

/* Until it is yes or no. ERR_CANCELED. */
enum err question_yes(const char *prompt, bool fallback, bool *yes, struct fault *fault);

/* "Making keys … " now, its end later: for what takes long. */
void question_begin(const char *format, ...) __attribute__((format(printf, 1, 2)));
void question_end(const char *how);

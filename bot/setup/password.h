/*
 * password.h - a password from a person, or from a pipe.
 */
#pragma once

#include "bot/base/err.h"

#define PASSWORD_MAX 1024 /* bytes */

/*
 * Asks on the terminal that is standard input, without echo; the prompt goes to standard error.
 * Ctrl-C and the like leave the terminal as it was. *out is owned by the caller, who wipes it
 * (x_wipe_free_str()). ERR_UNSUPPORTED: standard input is no terminal; ERR_CANCELED;
 * ERR_TOO_LARGE; ERR_INVALID: empty.
 */
enum err password_ask(const char *prompt, char **out, struct fault *fault);

/* The first line of standard input, whatever it is; else the same. */
enum err password_read(char **out, struct fault *fault);

/*
 * password.h - reads a password from a terminal or a pipe.
 */
#pragma once

#include "bot/base/err.h"

#define PASSWORD_MAX 1024 /* bytes */

/*
 * Asks on standard input, which must be a terminal, without echo; the prompt goes to standard
 * error. Signals such as Ctrl-C restore the terminal. *out is owned by the caller, who wipes it
 * (x_wipe_free_str()). ERR_UNSUPPORTED: standard input is not a terminal; ERR_CANCELED;
 * ERR_TOO_LARGE; ERR_INVALID: empty.
 */
enum err password_ask(const char *prompt, char **out, struct fault *fault);

/* Reads the first line of standard input, terminal or not; otherwise as password_ask(). */
enum err password_read(char **out, struct fault *fault);

/*
 * cmd_login.h - `matrix-telemetry-bot login`: a new access token by the account's password.
 */
#pragma once

#include <stdbool.h>

/*
 * Asks for the password on the terminal (or, with --password-stdin, reads the first line of
 * standard input), logs in, and stores the token in [matrix] token_file or, with --print, prints
 * it. argv[0] is the verb, argc counts it. Returns a sysexits(3) status: EX_USAGE, EX_CONFIG,
 * EX_DATAERR (wrong password), EX_UNAVAILABLE (the homeserver has no password login),
 * EX_TEMPFAIL. A token that cannot be stored is EX_CONFIG, and its session is ended again.
 */
int cmd_login(const char *config_path, bool json, int argc, char **argv);

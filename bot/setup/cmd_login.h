/*
 * cmd_login.h - `matrix-telemetry-bot login`: gets a new access token with the account's password.
 */
#pragma once

#include <stdbool.h>

/*
 * Asks for the password on the terminal (or, with --password-stdin, reads the first line of
 * standard input), logs in, and stores the token in [matrix] token_file or, with --print, prints
 * it. argv[0] is the command's name and is counted in argc. Returns a sysexits(3) status: EX_USAGE,
 * EX_CONFIG, EX_DATAERR (wrong password), EX_UNAVAILABLE (the homeserver has no password login),
 * EX_TEMPFAIL. If the token cannot be stored, returns EX_CONFIG and logs the session out.
 */
int cmd_login(const char *config_path, bool json, int argc, char **argv);

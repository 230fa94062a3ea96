/*
 * cmd_check.h - `matrix-telemetry-bot check`: finds problems and how to fix them.
 */
#pragma once

#include <stdbool.h>

/*
 * Checks the config, the token, the homeserver, the rooms and this machine, and prints a table (or
 * JSON) on standard output. Returns EX_OK only if all is well; EX_CONFIG if something in the config
 * or on this machine must be fixed, else EX_UNAVAILABLE (in the rooms) or EX_TEMPFAIL (may pass by
 * itself). Changes nothing.
 */
int cmd_check(const char *config_path, bool json);

/*
 * cmd_check.h - `matrix-telemetry-bot check`: is all well, and if not, what mends it?
 */
#pragma once

#include <stdbool.h>

/*
 * Looks at the config, the token, the homeserver, the rooms and this machine, and prints a table
 * (or JSON) on standard output. Returns EX_OK only if all is well; EX_CONFIG if something in the
 * config or on this machine is to be mended, else EX_UNAVAILABLE (in the rooms) or EX_TEMPFAIL
 * (may go by itself). Changes nothing.
 */
int cmd_check(const char *config_path, bool json);

/*
 * cmd_convert.h - `matrix-telemetry-bot check --alertmanager FILE`: the bot.conf that corresponds
 * to an alertmanager.yml.
 */
#pragma once

/* Prints the config on standard output; comments list what has no counterpart, by path and line.
 * Returns EX_OK; EX_DATAERR when the file cannot be read, or EX_USAGE in a build without libyaml,
 * with the reason on standard error. */
int cmd_convert(const char *path);

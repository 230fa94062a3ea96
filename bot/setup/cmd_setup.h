/*
 * cmd_setup.h - `matrix-telemetry-bot setup`: sets up a bot until somebody answers it from its
 * room.
 */
#pragma once

/*
 * Asks on the terminal for what no option gives, writes the config, and starts and tests the bot;
 * can be run again for changes. argv[0] is the command's name and is counted in argc. config_path:
 * given before the command, or NULL. Returns a sysexits(3) status; a step that failed has printed
 * the reason.
 */
int cmd_setup(const char *config_path, int argc, char **argv);

/*
 * cmd_setup.h - `matrix-telemetry-bot setup`: from nothing to a bot that is answered from its room.
 */
#pragma once

/*
 * Asks on the terminal for what no option says, writes the config, and starts and tests the bot;
 * again at any time, for changes. argv[0] is the verb, argc counts it. config_path: given before
 * the verb, or NULL. Returns a sysexits(3) status; a part that failed has said why.
 */
int cmd_setup(const char *config_path, int argc, char **argv);

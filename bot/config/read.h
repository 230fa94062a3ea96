/*
 * read.h - the lines of bot.conf into a struct config; for bot/config/.
 */
#pragma once

#include "bot/config/config.h"
#include "bot/config/source.h"

/* Reads the whole text, whatever the faults; they are in `source`. folder: for relative paths. */
void read_config(
        struct config *config, struct source *source, const char *text, const char *folder);

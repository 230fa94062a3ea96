/*
 * read.h - parses bot.conf into a struct config. For bot/config/.
 */
#pragma once

#include "bot/config/config.h"
#include "bot/config/source.h"

/* Reads the whole text; errors are reported to `source`. folder: for relative paths. */
void read_config(
        struct config *config, struct source *source, const char *text, const char *folder);

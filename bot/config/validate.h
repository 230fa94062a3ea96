/*
 * validate.h - checks that need the whole config. For bot/config/.
 */
#pragma once

#include "bot/config/config.h"
#include "bot/config/source.h"

/* Checks what depends on more than one key, and sets members derived from others (routes, spool,
 * heartbeat room). Errors are reported to `source`. */
void validate_config(struct config *config, struct source *source);

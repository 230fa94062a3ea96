/*
 * validate.h - what only the whole config can tell; for bot/config/.
 */
#pragma once

#include "bot/config/config.h"
#include "bot/config/source.h"

/* Checks what depends on more than one key, and fills in what follows from others (routes, spool,
 * heartbeat room). Faults go to `source`. */
void validate_config(struct config *config, struct source *source);

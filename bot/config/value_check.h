/*
 * value_check.h - what single values of bot.conf must look like; for bot/config/.
 */
#pragma once

#include "bot/base/err.h"
#include "bot/config/options.h"

/* All return OK, or ERR_CONFIG with *fault saying what the value must be. */

/* A text, or a word of a list, by the option's type. */
enum err check_text(const char *text, const struct option *option, struct fault *fault);

/* Whole unless OPTION_REAL, within the option's range. */
enum err check_number(
        const char *text, const struct option *option, double *number, struct fault *fault);

/* One of "a|b|c"; *index says which. */
enum err check_choice(const char *text, const char *choices, int *index, struct fault *fault);

/* A user or group by number or name. */
enum err check_id(const char *word, bool group, uint32_t *id, struct fault *fault);

/* A room's alias or id. */
bool check_address(const char *text);

/* [A-Za-z0-9_.-]{1,max}: names of apps and rooms. */
bool check_name(const char *name, size_t max);

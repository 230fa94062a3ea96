/*
 * value_check.h - checks of single values of bot.conf. For bot/config/.
 */
#pragma once

#include "bot/base/err.h"
#include "bot/config/options.h"

/* All return OK, or ERR_CONFIG and say in *fault what the value must be. */

/* A text, or one word of a list, according to the option's type. */
enum err check_text(const char *text, const struct option *option, struct fault *fault);

/* A whole number unless OPTION_REAL, within the option's range. */
enum err check_number(
        const char *text, const struct option *option, double *number, struct fault *fault);

/* One of "a|b|c"; *index is its position. */
enum err check_choice(const char *text, const char *choices, int *index, struct fault *fault);

/* A user or group (group: true) by number or name. */
enum err check_id(const char *word, bool group, uint32_t *id, struct fault *fault);

/* Whether it is a room alias or room id. */
bool check_address(const char *text);

/* [A-Za-z0-9_.-]{1,max}: names of apps and rooms. */
bool check_name(const char *name, size_t max);

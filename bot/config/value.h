/*
 * value.h - parses one value of bot.conf into its struct member. For bot/config/.
 */
#pragma once

#include "bot/base/err.h"
#include "bot/config/options.h"

/* Sets the member that `option` describes inside `base`. folder: for relative paths. On ERR_CONFIG,
 * *fault says what the value must be. The previous value is freed. */
enum err value_set(const struct option *option, void *base, const char *text, const char *folder,
        struct fault *fault);

/* Appends a continuation line to the text that value_set() stored. ERR_CONFIG: the value must be a
 * single line. */
enum err value_append(
        const struct option *option, void *base, const char *text, struct fault *fault);

/* Frees what value_set() may have stored there. */
void value_free(const struct option *option, void *base);

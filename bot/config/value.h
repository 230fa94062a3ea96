/*
 * value.h - one value of bot.conf, from text to its place in a struct; for bot/config/.
 */
#pragma once

#include "bot/base/err.h"
#include "bot/config/options.h"

/* Sets the member that `option` describes inside `base`. folder: for relative paths. ERR_CONFIG
 * fills *fault with what the value must be. An earlier value is freed. */
enum err value_set(const struct option *option, void *base, const char *text, const char *folder,
        struct fault *fault);

/* Goes on with the text that value_set() put there, on a new line; ERR_CONFIG: such a value has
 * one line only. */
enum err value_append(
        const struct option *option, void *base, const char *text, struct fault *fault);

/* Frees what value_set() may have put there. */
void value_free(const struct option *option, void *base);

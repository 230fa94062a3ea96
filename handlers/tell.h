/*
 * tell.h - lines that the bot says of its own accord: an m.notice, or with mentions an m.text.
 */
#pragma once

#include "handlers/deliver.h"

/* mentions: user ids and "room", ends with NULL; NULL = nobody, and it rings nowhere. */
enum err tell_room(
        const struct deliver *d, const char *room, const char *text, char *const *mentions);

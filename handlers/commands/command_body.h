/*
 * command_body.h - what somebody wrote, as they meant it: whatever their client, keyboard or phone
 * made of it. Everything that reads commands reads this. Pure.
 *
 * - Blanks of every kind become a space; characters that nobody sees go.
 * - Full-width letters, typographic quotes and dashes become those of ASCII (not inside quotes).
 * - Markdown's backslashes go, but in quotes and behind =~, where they may be a regular
 * expression's.
 * - Quoted lines before it go (the reply fallback of any client), and the bot's own name or pill.
 */
#pragma once

#include "bot/config/config.h"
#include "handlers/commands/room_event.h"

/* The text that follows the prefix, owned by the caller; NULL: it is no command. */
char *command_body(const struct config *config, const struct room_event *event);

/* True when two reactions are the same but for skin tone and variation selector. */
bool command_same_emoji(const char *key, const char *emoji);

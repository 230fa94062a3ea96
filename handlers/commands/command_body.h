/*
 * command_body.h - the text of a command as its author meant it, whatever their client or keyboard
 * changed. All parsers of commands use this. Pure.
 *
 * - All kinds of blanks become a space; invisible characters are removed.
 * - Full-width letters, typographic quotes and dashes become ASCII (not inside quotes).
 * - Markdown's backslashes are removed, except in quotes and after =~, where they may belong to a
 * regular expression.
 * - Quoted lines before the command are skipped (the reply fallback of any client), and so is the
 * bot's own name or pill.
 */
#pragma once

#include "bot/config/config.h"
#include "handlers/commands/room_event.h"

/* The text after the prefix, owned by the caller; NULL: it is not a command. */
char *command_body(const struct config *config, const struct room_event *event);

/* True when two reactions differ at most in skin tone and variation selector. */
bool command_same_emoji(const char *key, const char *emoji);

/*
 * command_what.h - parses which alerts a person means: app=etl, node_id=~"etl.*", severity !=
 * critical; with any quotes, == for =, blanks around operators, and commas, blanks or "and" between
 * matchers. Pure.
 */
#pragma once

#include "handlers/commands/arguments.h"

/*
 * Parses the words that are matchers, and adds them to out in the syntax of bot/base/matcher.h,
 * with each value in quotes. Adds nothing when there are none. False: why says what is wrong.
 */
bool command_what_read(struct input *words, struct buf *out, char why[160]);
/* True when the next words are a matcher. */
bool command_what_is(const struct input *words);

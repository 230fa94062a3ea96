/*
 * command_what.h - which alerts are meant, as a person writes it: app=etl, node_id=~"etl.*",
 * severity != critical; with any quotes, with == for =, with blanks around it, joined by commas,
 * blanks or "and". Pure.
 */
#pragma once

#include "handlers/commands/arguments.h"

/*
 * Reads the words that are matchers, and adds them to out as bot/base/matcher.h reads them, with
 * each value in quotes. Nothing is added when there are none. False: *why says what is wrong.
 */
bool command_what_read(struct input *words, struct buf *out, char why[160]);
/* True when the next words are a matcher. */
bool command_what_is(const struct input *words);

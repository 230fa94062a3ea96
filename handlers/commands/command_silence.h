/*
 * command_silence.h - what the commands about silences share; for handlers/commands/ only.
 */
#pragma once

#include "bot/base/matcher.h"
#include "handlers/commands/command.h"
#include "storage/silences.h"

/* "app="etl" until 16:05 CET (2h) · reason: deploy" */
void command_silence_say(struct command_call *call, const struct silence_row *row);
/* True when a word is a positive integer. */
bool command_silence_number(const char *word, int64_t *number);
/* A silence that is active or will become active; zeroed when no such silence has that number. */
enum err command_silence_find(struct command_call *call, int64_t number, struct silence_row *row);
/* Reports that there is no silence with that number. */
enum err command_silence_missing(struct command_call *call, int64_t number);
/* The only silence of an app, found by the text of its matchers; zeroed when there is none or
 * several, which the answer reports. */
enum err command_silence_of_app(
        struct command_call *call, const char *app, struct silence_row *row);

/* Reads which alerts are meant into out, as matchers; the text of a request, too. Fails the command
 * when that is not understood. */
enum err command_silence_what(struct command_call *call, struct input *words, struct buf *out);
enum err command_silence_what_text(struct command_call *call, const char *what, struct buf *out);
/* Fails the command when no alert can ever match, as with app=(etl) or severity=loud. */
void command_silence_check(struct command_call *call, const struct matchers *matchers);
/* *what: in a reply whose words name nothing, the app of the alert, as a matcher; owned by the
 * caller. Else it stays as it is. */
enum err command_silence_what_target(
        struct command_call *call, const struct input *words, char **what);

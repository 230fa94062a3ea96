/*
 * command_silence.h - what the commands about silences share; for handlers/commands/ alone.
 */
#pragma once

#include "handlers/commands/command.h"
#include "storage/silences.h"

/* "app="etl" until 16:05 CET (2h) · reason: deploy" */
void command_silence_say(struct command_call *call, const struct silence_row *row);
/* True when a word is a number from 1. */
bool command_silence_number(const char *word, int64_t *number);
/* A silence that is active or will be; zeroed when there is none by that number. */
enum err command_silence_find(struct command_call *call, int64_t number, struct silence_row *row);
/* There is none: says so. */
enum err command_silence_missing(struct command_call *call, int64_t number);
/* The only silence of an app; zeroed when there is none or more, which is said. */
enum err command_silence_of_app(
        struct command_call *call, const char *app, struct silence_row *row);

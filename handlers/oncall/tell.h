/*
 * tell.h - what the bot says of its own accord, beside alerts and answers.
 */
#pragma once

#include "handlers/alerts/deliver.h"
#include "handlers/message/words.h"

/* The key in RENDER_KEY's data with the ids of the entries that a line is about, so that an ack
 * of the line is one of them. */
#define TELL_ABOUT "about"

/* Puts words into the queue of a room. about: ids of entries, borrowed, or NULL. */
enum err tell_words(const struct deliver *d, const char *room, const char *msgtype,
        struct words *words, const json_t *about);

/* The words mention whom critical alerts mention now. */
enum err tell_mention_critical(const struct deliver *d, struct words *words);

/*
 * tell.h - messages from the bot other than alerts and answers.
 */
#pragma once

#include "handlers/alerts/deliver.h"
#include "handlers/message/words.h"

/* The key in RENDER_KEY's data with the ids of the entries that a note is about, so that
 * acknowledging the note acknowledges them. */
#define TELL_ABOUT "about"

/* Queues a message for a room. about: array of entry ids, borrowed, or NULL. */
enum err tell_words(const struct deliver *d, const char *room, const char *msgtype,
        struct words *words, const json_t *about);

/* Makes the message mention the users whom critical alerts mention now. */
enum err tell_mention_critical(const struct deliver *d, struct words *words);

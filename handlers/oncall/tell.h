/*
 * tell.h - messages from the bot other than alerts and answers.
 */
#pragma once

#include "handlers/alerts/deliver.h"
#include "handlers/message/words.h"

/* The key in RENDER_KEY's data with the ids of the entries that a note is about, so that
 * acknowledging the note acknowledges them. */
#define TELL_ABOUT "about"

/* Queues a message for a room. */
enum err tell_words(
        const struct deliver *d, const char *room, const char *msgtype, struct words *words);
/* The same about entries, by an array of some hundred ids at most, borrowed; it notifies. */
enum err tell_about(const struct deliver *d, const char *room, struct words *words,
        const json_t *about, int64_t *outbox_id);

/* Makes the message mention the users whom critical alerts mention now. */
enum err tell_mention_critical(const struct deliver *d, struct words *words);

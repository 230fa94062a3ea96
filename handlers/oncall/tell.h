/*
 * tell.h - lines that the bot says of its own accord: an m.notice, or with mentions an m.text.
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

/* mentions: of the config, as of oncall_mention(); empty = nobody, NULL = and it rings nowhere.
 * about: ids of entries, borrowed, or NULL. */
enum err tell_room(const struct deliver *d, const char *room, const char *text,
        char *const *mentions, const json_t *about);

/*
 * about.h - which failures an event of the bot is about: a message, one that announces what joined
 * another, a reminder or an escalation, or something in the thread of a message.
 */
#pragma once

#include "storage/messages.h"
#include "storage/outbox.h"

/* The caller frees the rows, also after an error. ERR_NOT_FOUND: the event is about no alert. */
enum err about_event(
        struct store *store, const char *event_id, struct entry_row **rows, size_t *len);

/* Deletes a reminder or an escalation that waits to be sent although all that it is about was
 * acknowledged or resolved meanwhile: nobody should be called for that. Reads the entries that it
 * is about. */
enum err about_drop(struct store *store, const struct outbox_row *row, bool *dropped);

/*
 * deliver_message.h - what the parts of deliver share; for handlers/deliver*.c.
 */
#pragma once

#include "handlers/alerts/deliver.h"
#include "storage/messages.h"

/* Stores a new message (room, origin, kind, severity, lead are set) with its place in the queue;
 * sets its id and opened_ms. */
enum err deliver_message_open(const struct deliver *d, struct message_row *message);

/* What the end of a message's own event means to the message; nothing for other events. */
enum err deliver_message_ended(
        const struct deliver *d, const struct outbox_row *row, const struct deliver_result *result);

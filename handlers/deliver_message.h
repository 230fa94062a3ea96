/*
 * deliver_message.h - what the two halves of deliver share; for handlers/deliver*.c.
 */
#pragma once

#include "handlers/deliver.h"
#include "storage/messages.h"

/* Stores a new message (room, origin, kind, severity, lead are set) with its place in the queue;
 * sets its id and opened_ms. */
enum err deliver_message_open(const struct deliver *d, struct message_row *message);

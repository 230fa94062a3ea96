/*
 * freeze.h - fixes the content of an event before its first try; from then on it never changes. For
 * send.c only.
 */
#pragma once

#include "handlers/alerts/deliver.h"
#include "storage/outbox.h"

/* Whether the room at that address is encrypted, as last stored, also when the name in the
 * config stands for another room by now. */
enum err freeze_is_encrypted(const struct deliver *d, const struct deliver_room *room,
        const char *room_id, bool *encrypted);

/* Plain text must never be sent to an encrypted room. *waits: the event cannot be encrypted yet. */
enum err freeze_must_wait(const struct deliver *d, const struct deliver_room *room, bool *waits);

/* Renders the event's content into *row; the caller stores the row. ERR_NOT_FOUND: its message
 * is missing. */
enum err freeze_event(const struct deliver *d, struct outbox_row *row,
        const struct deliver_room *room, const char *room_id, bool encrypted);

/* Encrypts the content into wire_type and wire_content; does nothing if that was done already.
 * Call it after freeze_must_wait() gave false. */
enum err freeze_encrypt(
        const struct deliver *d, const struct deliver_room *room, struct outbox_row *row);

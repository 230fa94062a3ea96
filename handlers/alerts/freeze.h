/*
 * freeze.h - fixing what an event says, before its first try: from then on its content is never
 * changed. Of send.c alone.
 */
#pragma once

#include "handlers/alerts/deliver.h"
#include "storage/outbox.h"

/* What is remembered of the room where an event goes decides, whichever room has the name now. */
enum err freeze_is_encrypted(const struct deliver *d, const struct deliver_room *room,
        const char *room_id, bool *encrypted);

/* Plain text never goes into an encrypted room: *waits until it can be encrypted. */
enum err freeze_must_wait(const struct deliver *d, const struct deliver_room *room, bool *waits);

/* Fixes what is to be said; the caller stores the row. ERR_NOT_FOUND: its message is lost. */
enum err freeze_event(const struct deliver *d, struct outbox_row *row,
        const struct deliver_room *room, const char *room_id, bool encrypted);

/* What is sent instead of the content; nothing when that is fixed already. freeze_must_wait() said
 * no. */
enum err freeze_encrypt(
        const struct deliver *d, const struct deliver_room *room, struct outbox_row *row);

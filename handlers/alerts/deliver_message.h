/*
 * deliver_message.h - what the parts of deliver share; for handlers that change messages.
 */
#pragma once

#include "handlers/alerts/deliver.h"
#include "handlers/alerts/render.h"
#include "storage/alerts.h"
#include "storage/messages.h"

/* The origin of a message that collects what several apps had to say; no app has such a name. */
#define DELIVER_COLLECTED "+"

/* Bytes of a message's entries, beside the parts that every event has. A room may become encrypted
 * before the event is sent. */
#define DELIVER_BUDGET (RENDER_ENCRYPTED_MAX - 1024)
#define DELIVER_PLAIN_BUDGET (RENDER_PLAIN_MAX - 1024)

/* Stores a new message (room, origin, kind, severity, lead are set) with its place in the queue;
 * sets its id and opened_ms. */
enum err deliver_message_open(const struct deliver *d, struct message_row *message);

/* All that waits for a room and is not frozen becomes one message, as far as it fits. */
enum err deliver_collect(const struct deliver *d, const char *room);

/* Reads a message that another row refers to. Where it is not there or damaged, what refers to it
 * goes on without: *message is zeroed then, and has no room. */
enum err deliver_message_read(const struct deliver *d, int64_t id, struct message_row *message);

/* Stores what became of a message, with when it is due next. */
enum err deliver_message_store(const struct deliver *d, struct message_row *message);

/* A line in the thread of a message that is in the room: that the entry is over, or failing again.
 */
enum err deliver_message_answer(
        const struct deliver *d, const struct message_row *message, const struct entry_row *entry);

/* An alert that fires, in a batch: decides into which message it goes, and puts it there. Fills in
 * message, state, cause and reason of the alert's row; takes what it wants of *entry. */
enum err deliver_join(const struct deliver *d, const struct alert *alert, struct alert_row *row,
        struct entry_row *entry);

/* *from in the place of *to, which is freed. */
void deliver_take(char **to, char **from);

/* A resolved alert: what it is about is over in all its messages. Fills in message, state, cause
 * and reason of the alert's row. */
enum err deliver_resolve(const struct deliver *d, const struct alert *alert, struct alert_row *row);

/* An event that is in no room may change again: it waits like the rest, as if it had never been
 * frozen. An edit is gone, and its message waits for another. *row is the event as it is stored;
 * ERR_NOT_FOUND: its message is not there, nothing is changed. */
enum err deliver_put_back(const struct deliver *d, struct outbox_row *row);

/* What the end of a message's own event means to the message; nothing for other events. */
enum err deliver_message_ended(
        const struct deliver *d, const struct outbox_row *row, const struct deliver_result *result);

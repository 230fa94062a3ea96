/*
 * deliver_message.h - what the parts of deliver share, for handlers that change messages.
 */
#pragma once

#include "handlers/alerts/deliver.h"
#include "handlers/alerts/render.h"
#include "storage/alerts.h"
#include "storage/messages.h"

/* The origin of a message that collects alerts of several apps; no app can have this name. */
#define DELIVER_COLLECTED "+"

/* Bytes for a message's entries, without the parts that every event has. The smaller limit of
 * encrypted events applies, since a room may become encrypted before the event is sent. */
#define DELIVER_BUDGET (RENDER_ENCRYPTED_MAX - 1024)
#define DELIVER_PLAIN_BUDGET (RENDER_PLAIN_MAX - 1024)

/* Stores a new message (room, origin, kind, severity, lead are set) with its place in the queue;
 * sets its id and opened_ms. */
enum err deliver_message_open(const struct deliver *d, struct message_row *message);

/* Queues the message that announces what joined another one by edits. That of a storm takes no
 * alerts: other apps' failures would be added to it by edits. */
enum err deliver_message_ring(const struct deliver *d, const struct message_row *message);

/* A failure that joined by an edit and that somebody knows of, or that is over, before anybody was
 * notified of it need not be announced. The caller stores the message and the entry. */
enum err deliver_message_unring(
        const struct deliver *d, struct message_row *message, struct entry_row *entry);

/* Deletes a message whose new event is queued, with its place in the queue; nothing else may refer
 * to it. */
enum err deliver_message_remove(const struct deliver *d, int64_t id);

/* Moves everything that waits for a room and is not frozen into one message, as far as it fits. */
enum err deliver_collect(const struct deliver *d, const char *room);

/* Moves the failures of a redacted message that no event has carried into a new one. */
enum err deliver_tell_anew(const struct deliver *d, struct message_row *from);

/* Stores the changed state of a message, with the time at which it is due next. */
enum err deliver_message_store(const struct deliver *d, struct message_row *message);
/* The same after a person's deed or the end of a failure: if the message was sent, it is edited
 * now. Does nothing for one that messages_find() did not find. */
enum err deliver_message_edit(const struct deliver *d, struct message_row *message);

/* Adds a line to the thread of a message that is in the room: the entry is resolved, or failing
 * again. */
enum err deliver_message_answer(
        const struct deliver *d, const struct message_row *message, const struct entry_row *entry);

/* Decides which message a firing alert joins, and adds it there; needs a batch. Fills in
 * message, state, cause and reason of the alert's row; may take members of *entry. */
enum err deliver_join(const struct deliver *d, const struct alert *alert, struct alert_row *row,
        struct entry_row *entry);

/* Moves the string *from to *to, whose old value is freed. */
void deliver_take(char **to, char **from);

/* Resolves a failure in all its messages. Fills in message, state, cause and reason of the
 * alert's row. */
enum err deliver_resolve(const struct deliver *d, const struct alert *alert, struct alert_row *row);

/* Unfreezes an event that is not in the room, so that it may change again. An edit is deleted
 * instead, and its message is due for another. *row is the event as stored. ERR_NOT_FOUND: its
 * message does not exist; nothing was changed. */
enum err deliver_put_back(const struct deliver *d, struct outbox_row *row);

/* Applies the result of a message's own event to the message; does nothing for other events. */
enum err deliver_message_ended(
        const struct deliver *d, const struct outbox_row *row, const struct deliver_result *result);

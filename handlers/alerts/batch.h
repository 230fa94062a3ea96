/*
 * batch.h - what many alerts of one transaction share: the messages that they join and those
 * messages' entries, read once and written once.
 *
 * In between the store has older counts and texts than what is held here, so whoever looks at
 * messages and entries by another way calls batch_store() first. What says where an alert goes and
 * what fires is always in the store: messages and entries that are new, what is closed, what fires
 * again. For a deliver without a batch, every alert is one of its own.
 *
 * Finding what an alert joins costs a walk down a tree of what the batch has touched, or one row of
 * the store, however much is open.
 */
#pragma once

#include "handlers/alerts/deliver.h"
#include "storage/messages.h"

struct batch_message {
	struct message_row row;
	bool changed; /* is to be written */
};

struct batch_entry {
	struct entry_row row;
	bool changed; /* is to be written */
};

struct deliver_batch *batch_create(void);
/* Forgets what was not stored; NULL is allowed. */
void batch_destroy(struct deliver_batch *batch);

/* The message that is open for an origin of a room, or the one that collects with an entry of the
 * app; *message NULL: there is none. Good until batch_store(), as with what follows. */
enum err batch_open(const struct deliver *d, const char *room, const char *origin,
        struct batch_message **message);
enum err batch_open_with(
        const struct deliver *d, const char *room, const char *app, struct batch_message **message);

/* The entry of a message; *entry NULL: there is none. */
enum err batch_entry(const struct deliver *d, const struct batch_message *message,
        const char *fingerprint, struct batch_entry **entry);

/* How many messages were opened in the last minute, as of the first look since batch_store(). */
enum err batch_count_opened(const struct deliver *d, int64_t *count);

/* Whether anything may be held back; and that something is. */
enum err batch_holds(const struct deliver *d, bool *any);
void batch_note_held(const struct deliver *d);

/* Writes what has changed and forgets everything; without a batch nothing. To be called also when a
 * message was opened or closed. */
enum err batch_store(const struct deliver *d);

/*
 * batch.h - shares reads and writes between the alerts of one transaction: the messages that they
 * join and those messages' entries are read once and written once.
 *
 * Until batch_store() the counts and texts in the store are older than those held here, so code
 * that reads messages and entries in another way calls batch_store() first. The store is always
 * current in what decides where an alert goes and what is firing: new messages and entries, closed
 * messages, entries that fire again. A deliver without a batch treats every alert as a batch of its
 * own.
 *
 * Finding what an alert joins costs one lookup in a tree of what the batch has touched, or one row
 * of the store, however many messages are open.
 */
#pragma once

#include "handlers/alerts/deliver.h"
#include "storage/messages.h"

struct batch_message {
	struct message_row row;
	bool changed; /* must be written */
};

struct batch_entry {
	struct entry_row row;
	bool changed; /* must be written */
};

struct deliver_batch *batch_create(void);
/* Discards what was not stored; NULL is allowed. */
void batch_destroy(struct deliver_batch *batch);

/* The open message of an origin in a room, or the collected message that has an entry of that
 * app; *message NULL: there is none. All pointers from this file are valid until batch_store(). */
enum err batch_open(const struct deliver *d, const char *room, const char *origin,
        struct batch_message **message);
enum err batch_open_with(
        const struct deliver *d, const char *room, const char *app, struct batch_message **message);

/* The entry of a message; *entry NULL: there is none. */
enum err batch_entry(const struct deliver *d, const struct batch_message *message,
        const char *fingerprint, struct batch_entry **entry);

/* How many messages were opened in the last minute, as counted at the first call since
 * batch_store(). */
enum err batch_count_opened(const struct deliver *d, int64_t *count);

/* Whether the store may have held alerts; and records that this batch holds one. */
enum err batch_holds(const struct deliver *d, bool *any);
void batch_note_held(const struct deliver *d);

/* Writes the changes and empties the batch; does nothing without one. Must also be called after
 * a message was opened or closed. */
enum err batch_store(const struct deliver *d);

/*
 * render.h - whole messages as Matrix event content: one failure, several, a ring, a storm. Made
 * from stored data when the event is frozen, so that the text matches the state at that time. Pure:
 * no clock, no storage.
 */
#pragma once

#include "handlers/alerts/alert.h"
#include "storage/messages.h"

/* The key under which every event carries its alerts as data, for other programs. */
#define RENDER_KEY "org.matrix-telemetry-bot.alert"

/* Maximum size of an event as sent, and of the content that is encrypted for it: base64 adds a
 * third. */
#define RENDER_EVENT_MAX (40 * 1024)
#define RENDER_PLAIN_MAX (RENDER_EVENT_MAX - 512)
#define RENDER_ENCRYPTED_MAX (RENDER_EVENT_MAX * 3 / 4 - 1536)

/* The link for an alert: its own url when http(s), else the app's dashboard template with
 * percent-encoded values; NULL when there is none. Owned by the caller. */
char *render_url(const struct config *config, const struct alert *alert);

/* Estimates the bytes that an entry adds to its message's event; others: entries in it already.
 * If the event exceeds the limit in the end, render_message() shortens it. */
int64_t render_entry_size(const struct entry_row *entry, int64_t others);

/* Announces failures that joined a message by edits, which notify nobody. */
struct render_ring {
	int64_t more;                   /* number of failures; 0 = none */
	const char *room_id, *event_id; /* of that message, or NULL */
	const char *const *names;       /* names of those that are still firing */
	size_t names_len;
};

struct render_message {
	const struct message_row *message;
	const struct entry_row *entries;
	size_t entries_len;
	int64_t more; /* alerts counted in the message that have no entry */
	struct render_ring ring;
	int64_t now_ms;       /* when it is frozen */
	const char *txn_id;   /* added to RENDER_KEY, so that the event can be found again */
	bool edit;            /* as m.replace of message->event_id */
	size_t max;           /* bytes: RENDER_PLAIN_MAX or RENDER_ENCRYPTED_MAX */
	char *const *mention; /* user ids and "room", terminated by NULL; or NULL */
};

/* The content of the event as JSON text, owned by the caller; at most max bytes. */
char *render_message(const struct config *config, const struct render_message *in);

/* A line in the thread of a message (m.notice): "✅ … resolved after 12m", or "🚨 failing again"
 * for an entry that fires again. JSON text, owned by the caller. */
char *render_answer(const struct config *config, const struct message_row *message,
        const struct entry_row *entry, const char *txn_id);

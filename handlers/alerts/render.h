/*
 * render.h - the words of a message: templates of kinds, entries, whole messages as Matrix event
 * content. Pure: no clock, no storage.
 *
 * Everything that comes from an app is neutral and escaped (bot/base/text.h) and, in HTML,
 * stands inside <code> when a client might take it for a link or a mention; m.mentions is always
 * set, so no alert text can ping, link or style anything.
 */
#pragma once

#include "handlers/alerts/alert.h"
#include "storage/messages.h"

/* The key under which every event carries its alerts as data, for other programs. */
#define RENDER_KEY "org.matrix-telemetry-bot.alert"

/* Most bytes of a final event. */
#define RENDER_EVENT_MAX (40 * 1024)

/* The text of one alert by its kind's template: *body (lines by \n) and *html (lines by <br>),
 * both owned by the caller. The first line is what is shown in lists. */
void render_alert(const struct config *config, const struct alert *alert, char **body, char **html);

/* The link for an alert: its own url when http(s), else the app's dashboard template with
 * percent-encoded values; NULL when there is none. Owned by the caller. */
char *render_url(const struct config *config, const struct alert *alert);

/* An upper bound of the bytes this entry takes in a final event, edit fallback included. */
int64_t render_entry_size(const struct entry_row *entry);

struct render_message {
	const struct message_row *message;
	const struct entry_row *entries;
	size_t entries_len;
	int64_t now_ms;       /* when it is frozen: what happened over a minute ago says when */
	const char *txn_id;   /* goes into RENDER_KEY, so that the event can be found again */
	bool edit;            /* as m.replace of message->event_id */
	char *const *mention; /* as of content_mentions() */
};

/* The content of the event as JSON text, owned by the caller. */
char *render_message(const struct config *config, const struct render_message *in);

/* "✅ resolved after 12m" as a threaded, silent answer to a message (m.notice). */
char *render_resolved(const struct config *config, const struct message_row *message,
        const struct entry_row *entry, const char *txn_id);

/* The lead line of a ring ("3 more critical failures joined the message above since …") and of
 * a storm; owned by the caller, plain text. */
char *render_ring_lead(const char *origin, int64_t more, int64_t since_ms, int64_t now_ms);
char *render_storm_lead(int64_t alerts, int64_t apps, int64_t since_ms, int64_t now_ms, bool over);

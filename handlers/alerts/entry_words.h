/*
 * entry_words.h - the text of one failure: as a message of its own, as an entry of a list, and when
 * it is resolved. The state always comes first. Pure.
 */
#pragma once

#include "handlers/message/words.h"
#include "storage/alerts.h"
#include "storage/messages.h"
#include "bot/config/config.h"

#define ENTRY_LATE_MS (60 * INT64_C(1000)) /* later deliveries show the time of the event */

struct entry_words {
	const struct config *config;
	const struct entry_row *entry;
	int64_t now_ms;
	const char *headline; /* emoji of the list's headline, which entries do not repeat */
	bool with_app;        /* the list is of several apps */
	bool one_hand;        /* the headline says who resolved all of the list */
};

/* 🧪, ✅, 👀, or what its kind or severity shows while it fires. */
const char *entry_emoji(const struct config *config, const struct entry_row *entry);

/* True when the entry became readable more than ENTRY_LATE_MS after it happened; for one that is
 * not readable yet, as of now_ms. */
bool entry_is_late(const struct entry_row *entry, int64_t now_ms);

/* Several lines, the headline first. */
void entry_say(const struct entry_words *of, struct words *out);

/* " by op1: `fixed by hand`", of an entry resolved by hand. */
void entry_say_hand(const struct entry_words *of, struct words *out);

/* One line, without the app unless with_app is set. */
void entry_say_listed(const struct entry_words *of, struct words *out);

/* "✅ data_factory · etl_users resolved after 1m 39s (r-81)", for its thread. */
void entry_say_resolved(const struct entry_words *of, struct words *out);

/* The entry's headline as plain text, for lists; owned by the caller. */
char *entry_title(const struct config *config, const struct entry_row *entry);
char *entry_title_of_alert(const struct config *config, const struct alert_row *row);

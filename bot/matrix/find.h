/*
 * find.h - looks in a room for an event of our own that may or may not have been accepted.
 *
 * Walks /messages backwards until the events are older than the first try. An event is ours if
 * unsigned.transaction_id or the transaction id under our content key is the wanted one, or, for an
 * encrypted event, if its ciphertext is the one we would send.
 */
#pragma once

#include "bot/matrix/client.h"

struct find;

/* code OK: event_id is the event's id, NULL = it is not in the room. Otherwise the search failed
 * and nothing is known. Strings are valid during the call. */
typedef void (*find_done_fn)(enum err code, const char *event_id, const char *error, void *arg);

struct find_what {
	const char *room_id, *sender; /* all strings here are copied */
	const char *txn_id;
	const char *content_key; /* key of the content whose member "txn_id" is compared */
	const char *ciphertext;  /* or NULL */
	int64_t since_ms;        /* time of the first try; older events are not searched */
};

/* The callback runs exactly once, never before this returns. */
struct find *find_start(struct mx *mx, const struct find_what *what, find_done_fn done, void *arg);
/* Ends the search with ERR_CANCELED. */
void find_cancel(struct find *find);

/*
 * own_list.h - whether a /sync answer that names the bot's own device list as changed means it.
 *
 * Synapse counts each user whose membership event is in an answer as one who has just joined, and
 * names such users in `device_lists`. With lazily loaded members the membership of a sender is in
 * the answer whenever the sender's last event was in another room. So while the bot sends to two
 * rooms, each answer names the bot, although nothing has changed, and each time its list would be
 * queried. Such an answer is believed every OWN_LIST_MS only; nothing that it tells is lost.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define OWN_LIST_MS 10000

struct own_list {
	int64_t told_ms; /* when an answer was last believed; 0 = never */
	bool owed;       /* one was not believed since */
};

/* Takes the bot out of answer.device_lists.changed, or adds it when that is owed. now_ms: of a
 * clock that never goes back. */
void own_list_settle(struct own_list *own, json_t *answer, const char *user_id, int64_t now_ms);

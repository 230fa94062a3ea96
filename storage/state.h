/*
 * state.h - single values that persist across restarts.
 */
#pragma once

#include "storage/store.h"

/* Names in use: "oncall.NAME", "oncall.NAME.absent" (handlers/oncall/handover.c), "sync.since",
 * "sync.filter", "device_id", "user_id", "token.proof"
 * (bot/link/link_known.c), "started_ms", "alive_ms" (when the daemon last ran),
 * "heartbeat.plan", "heartbeat.since_ms" (handlers/heartbeats/heartbeat.c), "courier.pace"
 * (handlers/alerts/pace.h), "undelivered.room" (handlers/alerts/undelivered_look.c), "vigil",
 * "vigil.untold" (handlers/heartbeats/absence_room.c), "resolve.limits"
 * (handlers/oncall/resolve.c). */
/* *value is owned by the caller; ERR_NOT_FOUND when it was never set. */
enum err state_get(struct store *store, const char *name, char **value);
enum err state_set(struct store *store, const char *name, const char *value);
enum err state_delete(struct store *store, const char *name);

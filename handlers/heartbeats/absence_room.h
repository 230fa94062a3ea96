/*
 * absence_room.h - applies absence.h: reads heartbeats from the room and reports to it; over the
 * store, inside writer jobs.
 *
 * A report to the room is put into the outbox in the commit that records it as reported. Reports to
 * other channels are stored in the same way, and absence_tick() returns them until absence_told(),
 * so that a crash in between leads to two reports rather than none.
 */
#pragma once

#include "handlers/commands/commands.h"
#include "handlers/heartbeats/absence.h"

/* The rule of a config's [heartbeat]. */
void absence_rule(struct absence_rule *rule, const struct config *config);

/* Handles one event of a room: records a heartbeat of [heartbeat] sender, ignores everything
 * else. */
enum err absence_event(const struct command_env *env, const struct room_event *event);

struct absence_look {
	bool saw;            /* everything in the room has been stored */
	bool first;          /* see absence_saw() */
	const char *problem; /* why the room cannot be read, for people; "" when it can */
};

/* Determines what to report. *texts: a new array of strings, for channels other than rooms. */
enum err absence_tick(const struct deliver *d, const struct absence_look *look, json_t **texts);
/* Call it when all texts of the last tick were passed on. */
enum err absence_told(struct store *store);

/* The stored state, for `watch --check`; zeroed when there is none. */
enum err absence_stored(struct store *store, struct absence *absence);

/*
 * absence_room.h - the watcher at work: heartbeats out of the room, alarms into it; over the store,
 * inside writer jobs.
 *
 * What was told in the room is in the outbox with the same commit that takes note of it. What is to
 * be told elsewhere is stored likewise and handed out by absence_tick() until absence_told(), so
 * that a crash between the two tells it twice rather than never.
 */
#pragma once

#include "handlers/commands/commands.h"
#include "handlers/heartbeats/absence.h"

/* The rule of a config's [heartbeat]. */
void absence_rule(struct absence_rule *rule, const struct config *config);

/* One event of a room: takes note of a heartbeat of [heartbeat] sender, leaves all else alone. */
enum err absence_event(const struct command_env *env, const struct room_event *event);

struct absence_look {
	bool saw;            /* all that was in the room is stored */
	bool first;          /* as of absence_saw() */
	const char *problem; /* why it cannot be seen, for people; "" when it can */
};

/* Looks what is to be told. *texts: a new array of strings, for the channels other than rooms. */
enum err absence_tick(const struct deliver *d, const struct absence_look *look, json_t **texts);
/* All texts of the last tick were handed on. */
enum err absence_told(struct store *store);

/* What the store knows, for `watch --check`; zeroed when it knows nothing. */
enum err absence_stored(struct store *store, struct absence *absence);

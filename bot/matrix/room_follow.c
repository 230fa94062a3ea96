/*
 * room_follow.c - see rooms_internal.h: resolves a configured address to a room that is ready.
 *
 * Happy path: RESOLVE (an alias → the candidate's id; an id is its own) → JOIN (not needed where
 * the bot is known to be a member) → ENCRYPTION (its m.room.encryption, or that there is none)
 * → TOMBSTONE (none: ready; else its successor is the next candidate, back to JOIN) → POWER
 * (whether the bot may write there, for status alone).
 *
 * A room id from storage needs RESOLVE and the first answer of /sync alone; when that does not come
 * within RECALL_MS, or when either says something else, all steps follow.
 *
 * After a temporary failure a ready room stays ready, and the steps are retried with backoff. A
 * refusal makes the room not ready and is retried after REFUSED_MS, except that a ready room stays
 * ready when only its alias was deleted.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/log.h"
#include "bot/matrix/backoff.h"
#include "bot/matrix/power.h"
#include "bot/matrix/rooms_internal.h"

#define REQUEST_TIMEOUT_MS 30000
#define JOIN_TIMEOUT_MS 120000 /* a join over federation may take long */
#define AGAIN_MS CLOCK_HOUR_MS
#define REFUSED_MS (5 * CLOCK_MINUTE_MS)
#define PAUSE_MS (10 * CLOCK_SECOND_MS) /* minimum time between two requested checks */
#define RECALL_MS (2 * CLOCK_SECOND_MS)

static void step_join(struct room_entry *entry);
static void step_encryption(struct room_entry *entry);
static void step_tombstone(struct room_entry *entry);
static void step_power(struct room_entry *entry);

/* ---- results ---- */

static void room_follow_announce(struct room_entry *entry)
{
	struct rooms *rooms = entry->rooms;

	if (rooms->events.on_room)
		rooms->events.on_room(&entry->room, rooms->events.arg);
}

/* Schedules the next check; sooner when one was requested during this one. */
static void room_follow_look_again_in(struct room_entry *entry, int64_t ms)
{
	if (entry->again && ms > PAUSE_MS)
		ms = PAUSE_MS;
	entry->again = false;
	rooms_due_in(entry->rooms, &entry->due_ms, ms);
}

static void room_follow_set_not_ready(struct room_entry *entry, const char *problem)
{
	bool was_ready = entry->room.ready;

	entry->room.looked = true;
	if (strcmp(entry->room.problem, problem) != 0)
		log_warning("rooms", "%s: %s", entry->name, problem);
	entry->room.ready = false;
	snprintf(entry->room.problem, sizeof(entry->room.problem), "%s", problem);
	entry->room.mute[0] = '\0';
	if (was_ready)
		room_follow_announce(entry);
}

static void room_follow_refuse(struct room_entry *entry, const char *problem)
{
	room_follow_look_again_in(entry, REFUSED_MS);
	room_follow_set_not_ready(entry, problem);
}

static bool room_follow_may_pass(enum err err)
{
	return err != ERR_DENIED && err != ERR_NOT_FOUND && err != ERR_REJECTED &&
	       err != ERR_TOO_LARGE && err != ERR_INVALID;
}

/* what: "cannot …", the beginning of the message. */
static void room_follow_failed(
        struct room_entry *entry, const struct mx_answer *answer, const char *what)
{
	struct fault problem;

	fault_set(&problem, answer->code, "%s: %s", what, answer->error);
	if (!room_follow_may_pass(answer->code)) {
		room_follow_refuse(entry, problem.text);
		return;
	}
	entry->tries++;
	room_follow_look_again_in(
	        entry, backoff_ms(entry->tries, answer->retry_after_ms, arc4random()));
	if (!entry->room.ready)
		room_follow_set_not_ready(entry, problem.text);
}

static void room_follow_ready(struct room_entry *entry)
{
	const struct room_known *known = rooms_known(entry->rooms, entry->candidate);
	bool moved = !entry->room_id || strcmp(entry->room_id, entry->candidate) != 0;
	bool changed = moved || !entry->room.ready || entry->room.encrypted != known->encrypted;

	if (entry->must_encrypt && !known->encrypted) {
		room_follow_refuse(entry, "its predecessor is encrypted and it is not: "
		                          "encrypt it, or name it by its id in [rooms]");
		return;
	}
	if (moved) {
		free(entry->room_id);
		entry->room.room_id = entry->room_id = x_strdup(entry->candidate);
	}
	entry->must_encrypt = known->encrypted;
	entry->joined = entry->joined || moved;
	entry->room.encrypted = known->encrypted;
	entry->room.denied = known->denied;
	entry->room.looked = true;
	entry->room.ready = true;
	entry->room.problem[0] = '\0';
	entry->tries = 0;
	room_follow_look_again_in(entry, AGAIN_MS);
	if (changed) {
		/* of a room that is configured by its id only that */
		log_info("rooms", "%s: %s%s%s%s", entry->name,
		        entry->address[0] == '#' ? entry->address : "in ",
		        entry->address[0] == '#' ? " is " : "", entry->room_id,
		        entry->room.encrypted ? ", encrypted" : "");
		room_follow_announce(entry);
	}
}

/* ---- the candidate ---- */

static void room_follow_forget_via(struct room_entry *entry)
{
	for (size_t i = 0; i < ROOM_VIA_MAX; i++) {
		free(entry->via[i]);
		entry->via[i] = NULL;
	}
}

static void room_follow_add_via(struct room_entry *entry, const char *server)
{
	size_t i = 0;

	while (i < ROOM_VIA_MAX && entry->via[i] && strcmp(entry->via[i], server) != 0)
		i++;
	if (i < ROOM_VIA_MAX && !entry->via[i] && strlen(server) < 256)
		entry->via[i] = x_strdup(server);
}

/* False when the id is invalid, or too many upgrades led here (then the entry has failed). */
static bool room_follow_set_candidate(struct room_entry *entry, const char *room_id)
{
	const char *server;
	char *copy;

	if (!rooms_is_id(room_id)) {
		room_follow_refuse(
		        entry, "the homeserver resolved it to something that is not a room id");
		return false;
	}
	if (entry->hops > ROOM_HOPS_MAX) {
		room_follow_refuse(
		        entry, "it was upgraded too many times: name the newest room in [rooms]");
		return false;
	}
	copy = x_strdup(room_id);
	free(entry->candidate);
	entry->candidate = copy;
	entry->trail[entry->hops] = x_strdup(copy);
	server = rooms_server_of(copy);
	if (server)
		room_follow_add_via(entry, server);
	return true;
}

/* Continues with the room that replaced the candidate. */
static void room_follow_go_to_successor(struct room_entry *entry, const char *successor)
{
	if (rooms_known(entry->rooms, entry->candidate)->encrypted)
		entry->must_encrypt = true;
	entry->hops++;
	if (room_follow_set_candidate(entry, successor))
		step_join(entry);
}

static bool room_follow_is_own_room(const struct room_entry *entry)
{
	return entry->room_id && strcmp(entry->room_id, entry->candidate) == 0;
}

/* ---- steps ---- */

/* Whether a tombstone names a usable successor. It may name none (when redacted), an invalid id,
 * or a room that led here: then the upgrade is ignored and the room is used as it is. */
static bool room_follow_leads_on(const struct room_entry *entry, const char *successor)
{
	bool good = rooms_is_id(successor) && !room_is_on_trail(entry, successor);

	if (!good && successor && !entry->room.ready)
		log_warning("rooms",
		        "%s: the successor of %s is not a room; staying in the old one",
		        entry->name, entry->candidate);
	return good;
}

static void room_follow_on_tombstone(const struct mx_answer *answer, void *arg)
{
	struct room_entry *entry = arg;
	const char *successor =
	        json_string_value(json_object_get(answer->body, "replacement_room"));

	entry->call = NULL;
	if (rooms_call_ended(entry->rooms, entry))
		return;
	if (answer->code == OK && room_follow_leads_on(entry, successor)) {
		log_info("rooms", "%s: %s was upgraded", entry->name, entry->candidate);
		room_follow_go_to_successor(entry, successor);
	} else if (answer->code == OK || answer->code == ERR_NOT_FOUND) {
		room_follow_ready(entry);
		if (entry->room.ready && !entry->rooms->closing)
			step_power(entry);
	} else {
		room_follow_failed(entry, answer, "cannot find out whether it was upgraded");
	}
}

static void room_follow_get_state(struct room_entry *entry, const char *type, mx_done_fn done)
{
	char *state = mx_path("/v3/rooms/%s/state/", entry->candidate);
	char *path = x_asprintf("%s%s", state, type);

	entry->rooms->calls++;
	entry->call =
	        mx_start(entry->rooms->mx, "GET", path, NULL, REQUEST_TIMEOUT_MS, done, entry);
	free(path);
	free(state);
}

static void room_follow_judge_power(struct room_entry *entry, const json_t *create)
{
	const char *type = entry->room.encrypted ? "m.room.encrypted" : "m.room.message";
	char mute[sizeof(entry->room.mute)] = "";
	int64_t level, needed;

	if (!power_may_send(create, entry->levels, entry->rooms->user_id, type, &level, &needed))
		snprintf(mute, sizeof(mute),
		        "the bot may not write: its power level is %" PRId64 ", %" PRId64
		        " is needed",
		        level, needed);
	if (mute[0] && !entry->room.mute[0])
		log_warning("rooms", "%s: %s; give it that level in the room's settings",
		        entry->name, mute);
	else if (entry->room.mute[0] && !mute[0])
		log_info("rooms", "%s: the bot may write again", entry->name);
	memcpy(entry->room.mute, mute, sizeof(mute));
}

/* The next check comes when it would have come without this step, or sooner when one was requested
 * during it: at once for a room that was lost meanwhile. */
static void room_follow_power_ended(struct room_entry *entry)
{
	int64_t left_ms = entry->after_ms - clock_monotonic_ms();

	room_follow_look_again_in(entry, left_ms > 0 && entry->room.ready ? left_ms : 0);
}

static void room_follow_on_create(const struct mx_answer *answer, void *arg)
{
	struct room_entry *entry = arg;

	entry->call = NULL;
	if (rooms_call_ended(entry->rooms, entry))
		return;
	if (answer->code == OK || answer->code == ERR_NOT_FOUND)
		room_follow_judge_power(entry, answer->code == OK ? answer->body : NULL);
	room_follow_power_ended(entry);
}

static void room_follow_on_power(const struct mx_answer *answer, void *arg)
{
	struct room_entry *entry = arg;
	const char *type = entry->room.encrypted ? "m.room.encrypted" : "m.room.message";
	int64_t level, needed;

	entry->call = NULL;
	if (rooms_call_ended(entry->rooms, entry))
		return;
	if (answer->code != OK && answer->code != ERR_NOT_FOUND) {
		room_follow_power_ended(entry); /* what was known of it stays */
		return;
	}
	json_decref(entry->levels);
	entry->levels = answer->code == OK ? json_deep_copy(answer->body) : NULL;
	/* a room's creators may need no level; which users these are is seldom asked for */
	if (!power_may_send(NULL, entry->levels, entry->rooms->user_id, type, &level, &needed)) {
		room_follow_get_state(entry, "m.room.create?format=event", room_follow_on_create);
		return;
	}
	room_follow_judge_power(entry, NULL);
	room_follow_power_ended(entry);
}

static void step_power(struct room_entry *entry)
{
	entry->after_ms = entry->due_ms;
	entry->due_ms = INT64_MAX;
	room_follow_get_state(entry, "m.room.power_levels", room_follow_on_power);
}

static void step_tombstone(struct room_entry *entry)
{
	room_follow_get_state(entry, "m.room.tombstone", room_follow_on_tombstone);
}

static void room_follow_on_encryption(const struct mx_answer *answer, void *arg)
{
	struct room_entry *entry = arg;
	struct room_known *known;

	entry->call = NULL;
	if (rooms_call_ended(entry->rooms, entry))
		return;
	known = rooms_known(entry->rooms, entry->candidate);
	if (known->encrypted && answer->code == ERR_NOT_FOUND && !known->denied)
		log_warning("rooms",
		        "%s: refused: the homeserver says that %s is not encrypted, but it was",
		        entry->name, entry->candidate);
	if (answer->code == OK || answer->code == ERR_NOT_FOUND)
		known->denied = known->encrypted && answer->code == ERR_NOT_FOUND;
	if (answer->code == OK) {
		if (!known->told)
			rooms_note_encrypted(entry->rooms, entry->candidate, answer->body);
	} else if (answer->code != ERR_NOT_FOUND) {
		/* without an answer a room is never assumed to be unencrypted */
		room_follow_failed(entry, answer, "cannot find out whether it is encrypted");
		return;
	}
	if (!entry->rooms->closing)
		step_tombstone(entry);
}

static void step_encryption(struct room_entry *entry)
{
	room_follow_get_state(entry, "m.room.encryption", room_follow_on_encryption);
}

static void room_follow_on_join(const struct mx_answer *answer, void *arg)
{
	struct room_entry *entry = arg;
	const char *room_id = json_string_value(json_object_get(answer->body, "room_id"));

	entry->call = NULL;
	if (rooms_call_ended(entry->rooms, entry))
		return;
	if (answer->code != OK) {
		room_follow_failed(entry, answer,
		        strstr(answer->error, "banned")
		                ? "cannot join; lift the ban and invite the bot"
		        : entry->hops ? "cannot join the room it was upgraded to"
		                      : "cannot join; invite the bot");
		return;
	}
	if (room_id && strcmp(room_id, entry->candidate) != 0) {
		room_follow_refuse(entry, "joining led to a different room");
		return;
	}
	if (room_follow_is_own_room(entry))
		entry->joined = true;
	step_encryption(entry);
}

static void step_join(struct room_entry *entry)
{
	char *path;

	if (room_follow_is_own_room(entry) && entry->joined) {
		step_encryption(entry);
		return;
	}
	path = rooms_join_path(entry->candidate, entry->via, ROOM_VIA_MAX);
	entry->rooms->calls++;
	entry->call = mx_start(
	        entry->rooms->mx, "POST", path, NULL, JOIN_TIMEOUT_MS, room_follow_on_join, entry);
	free(path);
}

/* Continues with the id that the address resolved to. */
static void room_follow_begin(struct room_entry *entry, const char *room_id)
{
	if (!room_follow_set_candidate(entry, room_id))
		return;
	if (entry->recall == RECALL_STORED && room_follow_is_own_room(entry)) {
		entry->recall = RECALL_AGREED;
		room_follow_look_again_in(entry, RECALL_MS);
		room_recall(entry);
		return;
	}
	entry->recall = RECALL_NONE;
	step_join(entry);
}

static void room_follow_on_alias(const struct mx_answer *answer, void *arg)
{
	struct room_entry *entry = arg;
	const json_t *servers = json_object_get(answer->body, "servers");
	const char *server;

	entry->call = NULL;
	if (rooms_call_ended(entry->rooms, entry))
		return;
	if (answer->code != OK && entry->room.ready && !room_follow_may_pass(answer->code)) {
		log_warning("rooms",
		        "%s: the alias %s is gone, staying in its room (give it the alias again, "
		        "or correct [rooms]): %s",
		        entry->name, entry->address, answer->error);
		room_follow_begin(entry, entry->room_id);
		return;
	}
	if (answer->code != OK) {
		room_follow_failed(entry, answer, "cannot resolve its alias");
		return;
	}
	for (size_t i = 0; i < ROOM_VIA_MAX; i++) {
		server = json_string_value(json_array_get(servers, i));
		if (server)
			room_follow_add_via(entry, server);
	}
	room_follow_begin(entry, json_string_value(json_object_get(answer->body, "room_id")));
}

static void step_resolve(struct room_entry *entry)
{
	char *path = mx_path("/v3/directory/room/%s", entry->address);

	entry->rooms->calls++;
	entry->call = mx_start(entry->rooms->mx, "GET", path, NULL, REQUEST_TIMEOUT_MS,
	        room_follow_on_alias, entry);
	free(path);
}

/* ---- the interface ---- */

void room_follow(struct room_entry *entry)
{
	if (entry->rooms->closing)
		return;
	if (entry->call) {
		entry->again = true;
		return;
	}
	if (entry->recall == RECALL_AGREED) /* /sync did not decide in time */
		entry->recall = RECALL_NONE;
	entry->due_ms = INT64_MAX;
	entry->hops = 0;
	room_follow_forget_via(entry);
	room_forget_trail(entry);
	if (entry->address[0] == '#')
		step_resolve(entry);
	else
		room_follow_begin(entry, entry->address);
}

void room_follow_soon(struct room_entry *entry)
{
	int64_t now_ms = clock_monotonic_ms(), due_ms = entry->asked_ms + PAUSE_MS;

	if (entry->call) {
		entry->again = true;
		return;
	}
	if (entry->asked_ms == 0 || due_ms < now_ms)
		due_ms = now_ms;
	if (due_ms >= entry->due_ms)
		return;
	entry->asked_ms = due_ms;
	rooms_due_in(entry->rooms, &entry->due_ms, due_ms - now_ms);
}

bool room_is_on_trail(const struct room_entry *entry, const char *room_id)
{
	for (size_t i = 0; i <= ROOM_HOPS_MAX && entry->trail[i]; i++)
		if (strcmp(entry->trail[i], room_id) == 0)
			return true;
	return false;
}

void room_forget_trail(struct room_entry *entry)
{
	for (size_t i = 0; i <= ROOM_HOPS_MAX; i++) {
		free(entry->trail[i]);
		entry->trail[i] = NULL;
	}
}

void room_recall(struct room_entry *entry)
{
	if (entry->recall != RECALL_AGREED || !entry->rooms->caught_up)
		return;
	entry->recall = RECALL_NONE;
	entry->joined = true;
	entry->again = true; /* checked as a whole soon */
	room_follow_ready(entry);
}

void room_lose(struct room_entry *entry, const char *problem)
{
	entry->recall = RECALL_NONE;
	room_follow_soon(entry);
	room_follow_set_not_ready(entry, problem);
}

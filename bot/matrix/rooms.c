/*
 * rooms.c - see rooms.h.
 *
 * A look at a room takes up to three calls, one after another: join by its address (which also
 * resolves an alias, and does nothing for a member), the tombstone (then the successor is joined
 * in its place, a bounded number of times), and the encryption state. Only when all three are
 * known is the room ready: a room whose encryption is not known is never written to.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/log.h"
#include "bot/matrix/backoff.h"
#include "bot/matrix/rooms.h"

#define ROOMS_CALL_MS 60000 /* joins over federation take their time */
#define ROOMS_LOOK_MS CLOCK_HOUR_MS
#define ROOMS_UPGRADES_MAX 10

enum step { STEP_NONE, STEP_JOIN, STEP_TOMBSTONE, STEP_ENCRYPTION };

struct slot {
	struct room view; /* its strings are owned by the slot */
	struct rooms *rooms;
	enum step step;
	struct mx_call *call;
	char *found;       /* room id of the look under way */
	unsigned upgrades; /* tombstones followed in this look */
	unsigned failures;
	int64_t next_ms; /* monotonic: the next look */
	bool again;      /* look once more after this one */
	bool gone;       /* no longer in the config: freed when its call ends */
};

struct invite {
	struct rooms *rooms;
	struct mx_call *call;
	struct invite *next;
};

struct rooms {
	struct mx *mx;
	struct rooms_events events;
	char *user_id;
	uv_timer_t timer;
	struct slot **slots;
	size_t len;
	struct slot **leaving; /* gone, with a call under way */
	size_t leaving_len;
	struct invite *invites;
	char **invite_from; /* copied from the config */
	char **encrypted;   /* room ids ever seen encrypted */
	size_t encrypted_len;
	bool closing;
	void (*closed)(void *arg);
	void *closed_arg;
};

static void slot_look(struct slot *slot);
static void rooms_closing(struct rooms *rooms);

/* --- what is remembered ------------------------------------------------------------------- */

static bool rooms_is_encrypted(const struct rooms *rooms, const char *room_id)
{
	size_t i;

	for (i = 0; i < rooms->encrypted_len; i++)
		if (strcmp(rooms->encrypted[i], room_id) == 0)
			return true;
	return false;
}

void rooms_remember_encrypted(struct rooms *rooms, const char *room_id)
{
	if (rooms_is_encrypted(rooms, room_id))
		return;
	rooms->encrypted =
	        x_realloc(rooms->encrypted, (rooms->encrypted_len + 1) * sizeof(*rooms->encrypted));
	rooms->encrypted[rooms->encrypted_len++] = x_strdup(room_id);
}

static void rooms_saw_encryption(struct rooms *rooms, const char *room_id, const json_t *content)
{
	size_t i;

	if (rooms_is_encrypted(rooms, room_id))
		return;
	rooms_remember_encrypted(rooms, room_id);
	for (i = 0; i < rooms->len; i++)
		if (rooms->slots[i]->view.room_id &&
		        strcmp(rooms->slots[i]->view.room_id, room_id) == 0)
			rooms->slots[i]->view.encrypted = true;
	rooms->events.on_encrypted(room_id, content, rooms->events.arg);
}

/* --- one room ----------------------------------------------------------------------------- */

static void slot_free(struct slot *slot)
{
	free((char *)slot->view.name);
	free((char *)slot->view.address);
	free((char *)slot->view.room_id);
	free(slot->found);
	free(slot);
}

static void rooms_arm(struct rooms *rooms);

static void slot_failed(struct slot *slot, const char *what, const struct mx_answer *answer)
{
	uint32_t random = 0;

	if (getrandom(&random, sizeof(random), 0) < 0)
		random = (uint32_t)uv_hrtime();
	slot->step = STEP_NONE;
	slot->failures++;
	slot->next_ms =
	        clock_monotonic_ms() + backoff_ms(slot->failures, answer->retry_after_ms, random);
	if (slot->failures == 1 && answer->code != ERR_AUTH && answer->code != ERR_CANCELED)
		log_warning("rooms", "%s (%s): %s: %s", slot->view.name, slot->view.address, what,
		        answer->error);
	/* a room that was ready stays so through a passing fault */
	if (!slot->view.ready || answer->code == ERR_DENIED || answer->code == ERR_NOT_FOUND) {
		slot->view.ready = false;
		snprintf(slot->view.problem, sizeof(slot->view.problem), "%s: %.180s", what,
		        answer->error);
	}
	rooms_arm(slot->rooms);
}

static void slot_ready(struct slot *slot)
{
	bool moved = !slot->view.room_id || strcmp(slot->view.room_id, slot->found) != 0;
	bool news = moved || !slot->view.ready;

	if (moved) {
		free((char *)slot->view.room_id);
		slot->view.room_id = x_strdup(slot->found);
	}
	slot->view.ready = true;
	slot->view.encrypted = rooms_is_encrypted(slot->rooms, slot->found);
	slot->view.problem[0] = '\0';
	slot->step = STEP_NONE;
	slot->failures = 0;
	slot->next_ms = clock_monotonic_ms() + ROOMS_LOOK_MS;
	if (news) {
		log_info("rooms", "%s (%s) is %s%s", slot->view.name, slot->view.address,
		        slot->found, slot->view.encrypted ? ", encrypted" : "");
		slot->rooms->events.on_room(&slot->view, slot->rooms->events.arg);
	}
	if (slot->again)
		slot_look(slot);
	else
		rooms_arm(slot->rooms);
}

/* Common to all answers: true when the look goes on. */
static bool slot_goes_on(struct slot *slot)
{
	slot->call = NULL;
	if (slot->rooms->closing) {
		rooms_closing(slot->rooms);
		return false;
	}
	if (slot->gone) {
		struct rooms *rooms = slot->rooms;
		size_t i;

		for (i = 0; rooms->leaving[i] != slot; i++)
			;
		rooms->leaving[i] = rooms->leaving[--rooms->leaving_len];
		slot_free(slot);
		return false;
	}
	return true;
}

static void on_encryption(const struct mx_answer *answer, void *arg)
{
	struct slot *slot = arg;

	if (!slot_goes_on(slot))
		return;
	if (answer->code == OK)
		rooms_saw_encryption(slot->rooms, slot->found, answer->body);
	else if (answer->code != ERR_NOT_FOUND) {
		slot_failed(slot, "cannot tell whether it is encrypted", answer);
		return;
	}
	slot_ready(slot);
}

static void slot_join(struct slot *slot, const char *address);

static void on_tombstone(const struct mx_answer *answer, void *arg)
{
	struct slot *slot = arg;
	const char *next = json_string_value(json_object_get(answer->body, "replacement_room"));
	char *path;

	if (!slot_goes_on(slot))
		return;
	if (answer->code != OK && answer->code != ERR_NOT_FOUND) {
		slot_failed(slot, "cannot tell whether it was replaced", answer);
		return;
	}
	if (answer->code == OK && next && next[0] == '!' && strlen(next) <= 255 &&
	        slot->upgrades < ROOMS_UPGRADES_MAX) {
		slot->upgrades++;
		log_info("rooms", "%s was upgraded: %s is replaced by %s", slot->view.name,
		        slot->found, next);
		slot_join(slot, next);
		return;
	}
	slot->step = STEP_ENCRYPTION;
	path = mx_path("/v3/rooms/%s/state/m.room.encryption", slot->found);
	slot->call =
	        mx_start(slot->rooms->mx, "GET", path, NULL, ROOMS_CALL_MS, on_encryption, slot);
	free(path);
}

static void on_joined(const struct mx_answer *answer, void *arg)
{
	struct slot *slot = arg;
	const char *room_id = json_string_value(json_object_get(answer->body, "room_id"));
	struct mx_answer odd = *answer;
	char *path;

	if (!slot_goes_on(slot))
		return;
	if (answer->code == OK && (!room_id || room_id[0] != '!' || strlen(room_id) > 255)) {
		odd.code = ERR_PROTO;
		snprintf(odd.error, sizeof(odd.error), "no room id in the answer");
	}
	if (odd.code != OK) {
		slot_failed(slot, "cannot join", &odd);
		return;
	}
	free(slot->found);
	slot->found = x_strdup(room_id);
	slot->step = STEP_TOMBSTONE;
	path = mx_path("/v3/rooms/%s/state/m.room.tombstone", room_id);
	slot->call =
	        mx_start(slot->rooms->mx, "GET", path, NULL, ROOMS_CALL_MS, on_tombstone, slot);
	free(path);
}

static void slot_join(struct slot *slot, const char *address)
{
	char *path = mx_path("/v3/join/%s", address);

	slot->step = STEP_JOIN;
	slot->call = mx_start(slot->rooms->mx, "POST", path, NULL, ROOMS_CALL_MS, on_joined, slot);
	free(path);
}

static void slot_look(struct slot *slot)
{
	if (slot->step != STEP_NONE) {
		slot->again = true;
		return;
	}
	slot->again = false;
	slot->upgrades = 0;
	slot_join(slot, slot->view.address);
}

/* --- time --------------------------------------------------------------------------------- */

static void on_timer(uv_timer_t *timer)
{
	struct rooms *rooms = timer->data;
	int64_t now_ms = clock_monotonic_ms();
	size_t i;

	for (i = 0; i < rooms->len; i++)
		if (rooms->slots[i]->step == STEP_NONE && rooms->slots[i]->next_ms <= now_ms)
			slot_look(rooms->slots[i]);
	rooms_arm(rooms);
}

static void rooms_arm(struct rooms *rooms)
{
	int64_t now_ms = clock_monotonic_ms(), wait_ms = INT64_MAX;
	size_t i;

	if (rooms->closing)
		return;
	for (i = 0; i < rooms->len; i++)
		if (rooms->slots[i]->step == STEP_NONE &&
		        rooms->slots[i]->next_ms - now_ms < wait_ms)
			wait_ms = rooms->slots[i]->next_ms - now_ms;
	if (wait_ms == INT64_MAX)
		uv_timer_stop(&rooms->timer);
	else
		uv_timer_start(&rooms->timer, on_timer, wait_ms > 0 ? (uint64_t)wait_ms : 0, 0);
}

/* --- config ------------------------------------------------------------------------------- */

static char **rooms_copy_list(char **list)
{
	size_t len = 0, i;
	char **copy;

	while (list[len])
		len++;
	copy = x_calloc(len + 1, sizeof(*copy));
	for (i = 0; i < len; i++)
		copy[i] = x_strdup(list[i]);
	return copy;
}

static void rooms_free_list(char **list)
{
	size_t i;

	for (i = 0; list && list[i]; i++)
		free(list[i]);
	free(list);
}

static void slot_drop(struct rooms *rooms, struct slot *slot)
{
	if (!slot->call) {
		slot_free(slot);
		return;
	}
	slot->gone = true;
	rooms->leaving =
	        x_realloc(rooms->leaving, (rooms->leaving_len + 1) * sizeof(*rooms->leaving));
	rooms->leaving[rooms->leaving_len++] = slot;
	mx_cancel(slot->call);
}

/* The slot of the same name and address, taken out of the old list; else a new one. */
static struct slot *rooms_take_slot(
        struct rooms *rooms, struct slot **old, size_t old_len, const struct config_room *room)
{
	struct slot *slot;
	size_t i;

	for (i = 0; i < old_len; i++)
		if (old[i] && strcmp(old[i]->view.name, room->name) == 0 &&
		        strcmp(old[i]->view.address, room->address) == 0) {
			slot = old[i];
			old[i] = NULL;
			return slot;
		}
	slot = x_calloc(1, sizeof(*slot));
	slot->rooms = rooms;
	slot->view.name = x_strdup(room->name);
	slot->view.address = x_strdup(room->address);
	return slot;
}

void rooms_configure(struct rooms *rooms, const struct config *config)
{
	struct slot **old = rooms->slots;
	size_t old_len = rooms->len, i;

	rooms_free_list(rooms->invite_from);
	rooms->invite_from = rooms_copy_list(config->matrix.invite_from);
	rooms->slots = x_calloc(config->rooms_len, sizeof(*rooms->slots));
	rooms->len = config->rooms_len;
	for (i = 0; i < config->rooms_len; i++)
		rooms->slots[i] = rooms_take_slot(rooms, old, old_len, &config->rooms[i]);
	for (i = 0; i < old_len; i++)
		if (old[i])
			slot_drop(rooms, old[i]);
	free(old);
	for (i = 0; i < rooms->len; i++)
		if (!rooms->slots[i]->view.ready && rooms->slots[i]->step == STEP_NONE)
			slot_look(rooms->slots[i]);
	rooms_arm(rooms);
}

/* --- /sync -------------------------------------------------------------------------------- */

static void rooms_take_event(struct rooms *rooms, const char *room_id, const json_t *event)
{
	const char *type = json_string_value(json_object_get(event, "type"));
	size_t i;

	if (!type || !json_is_string(json_object_get(event, "state_key")))
		return;
	if (strcmp(type, "m.room.encryption") == 0) {
		rooms_saw_encryption(rooms, room_id, json_object_get(event, "content"));
		return;
	}
	if (strcmp(type, "m.room.tombstone") != 0 && strcmp(type, "m.room.canonical_alias") != 0)
		return;
	for (i = 0; i < rooms->len; i++)
		if (rooms->slots[i]->view.room_id &&
		        strcmp(rooms->slots[i]->view.room_id, room_id) == 0)
			slot_look(rooms->slots[i]);
}

static void rooms_take_events(struct rooms *rooms, const char *room_id, const json_t *part)
{
	const json_t *event;
	size_t i;

	json_array_foreach(json_object_get(part, "events"), i, event)
	        rooms_take_event(rooms, room_id, event);
}

static void on_invite_joined(const struct mx_answer *answer, void *arg)
{
	struct invite *invite = arg, **at;
	struct rooms *rooms = invite->rooms;
	size_t i;

	for (at = &rooms->invites; *at != invite; at = &(*at)->next)
		;
	*at = invite->next;
	free(invite);
	if (rooms->closing) {
		rooms_closing(rooms);
		return;
	}
	if (answer->code != OK)
		log_warning("rooms", "could not follow an invitation: %s", answer->error);
	for (i = 0; i < rooms->len; i++)
		if (!rooms->slots[i]->view.ready)
			slot_look(rooms->slots[i]);
}

static bool rooms_may_invite(const struct rooms *rooms, const char *user)
{
	size_t i;

	for (i = 0; user && rooms->invite_from[i]; i++)
		if (strcmp(rooms->invite_from[i], user) == 0)
			return true;
	return false;
}

static void rooms_take_invite(struct rooms *rooms, const char *room_id, const json_t *state)
{
	const json_t *event;
	struct invite *invite;
	char *path;
	size_t i;

	json_array_foreach(json_object_get(state, "events"), i, event)
	{
		const char *type = json_string_value(json_object_get(event, "type"));
		const char *key = json_string_value(json_object_get(event, "state_key"));
		const char *sender = json_string_value(json_object_get(event, "sender"));

		if (!type || !key || strcmp(type, "m.room.member") != 0 ||
		        strcmp(key, rooms->user_id) != 0)
			continue;
		if (!rooms_may_invite(rooms, sender)) {
			log_info("rooms", "an invitation from %s is left alone",
			        sender ? sender : "nobody");
			return;
		}
		log_info("rooms", "following the invitation of %s to %s", sender, room_id);
		invite = x_calloc(1, sizeof(*invite));
		invite->rooms = rooms;
		invite->next = rooms->invites;
		rooms->invites = invite;
		path = mx_path("/v3/join/%s", room_id);
		invite->call = mx_start(
		        rooms->mx, "POST", path, NULL, ROOMS_CALL_MS, on_invite_joined, invite);
		free(path);
		return;
	}
}

void rooms_take_sync(struct rooms *rooms, const json_t *sync)
{
	json_t *all = json_object_get(sync, "rooms");
	const char *room_id;
	json_t *room;
	size_t i;

	json_object_foreach(json_object_get(all, "join"), room_id, room)
	{
		rooms_take_events(rooms, room_id, json_object_get(room, "state"));
		rooms_take_events(rooms, room_id, json_object_get(room, "timeline"));
	}
	json_object_foreach(json_object_get(all, "invite"), room_id, room)
	        rooms_take_invite(rooms, room_id, json_object_get(room, "invite_state"));
	json_object_foreach(json_object_get(all, "leave"), room_id,
	        room) for (i = 0; i < rooms->len;
	                   i++) if (rooms->slots[i]->view.room_id &&
	                            strcmp(rooms->slots[i]->view.room_id, room_id) == 0)
	        slot_look(rooms->slots[i]);
}

/* --- life --------------------------------------------------------------------------------- */

struct rooms *rooms_create(
        uv_loop_t *loop, struct mx *mx, const char *user_id, const struct rooms_events *events)
{
	struct rooms *rooms = x_calloc(1, sizeof(*rooms));

	rooms->mx = mx;
	rooms->user_id = x_strdup(user_id);
	rooms->events = *events;
	rooms->invite_from = x_calloc(1, sizeof(*rooms->invite_from));
	uv_timer_init(loop, &rooms->timer);
	rooms->timer.data = rooms;
	return rooms;
}

void rooms_recheck(struct rooms *rooms, const char *name)
{
	size_t i;

	for (i = 0; i < rooms->len; i++)
		if (strcmp(rooms->slots[i]->view.name, name) == 0)
			slot_look(rooms->slots[i]);
}

const struct room *rooms_get(const struct rooms *rooms, const char *name)
{
	size_t i;

	for (i = 0; i < rooms->len; i++)
		if (strcmp(rooms->slots[i]->view.name, name) == 0)
			return &rooms->slots[i]->view;
	return NULL;
}

size_t rooms_len(const struct rooms *rooms)
{
	return rooms->len;
}

const struct room *rooms_at(const struct rooms *rooms, size_t index)
{
	return &rooms->slots[index]->view;
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct rooms *rooms = handle->data;
	void (*closed)(void *arg) = rooms->closed;
	void *arg = rooms->closed_arg;
	size_t i;

	for (i = 0; i < rooms->len; i++)
		slot_free(rooms->slots[i]);
	for (i = 0; i < rooms->leaving_len; i++)
		slot_free(rooms->leaving[i]);
	for (i = 0; i < rooms->encrypted_len; i++)
		free(rooms->encrypted[i]);
	rooms_free_list(rooms->invite_from);
	free(rooms->slots);
	free(rooms->leaving);
	free(rooms->encrypted);
	free(rooms->user_id);
	free(rooms);
	closed(arg);
}

static void rooms_closing(struct rooms *rooms)
{
	size_t i;

	for (i = 0; i < rooms->len; i++)
		if (rooms->slots[i]->call)
			return;
	for (i = 0; i < rooms->leaving_len; i++)
		if (rooms->leaving[i]->call)
			return;
	if (!rooms->invites)
		uv_close((uv_handle_t *)&rooms->timer, on_timer_closed);
}

void rooms_close(struct rooms *rooms, void (*closed)(void *arg), void *arg)
{
	struct invite *invite;
	size_t i;

	assert(!rooms->closing);
	rooms->closing = true;
	rooms->closed = closed;
	rooms->closed_arg = arg;
	uv_timer_stop(&rooms->timer);
	for (i = 0; i < rooms->len; i++)
		if (rooms->slots[i]->call)
			mx_cancel(rooms->slots[i]->call);
	for (invite = rooms->invites; invite; invite = invite->next)
		mx_cancel(invite->call);
	rooms_closing(rooms);
}

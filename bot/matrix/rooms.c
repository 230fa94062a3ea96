/*
 * rooms.c - see rooms.h: the list of rooms, what is stored about room ids, timers and closing.
 *
 * One timer serves everything that is due. One counter has the calls in flight, so that closing
 * waits for the last of them.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/buf.h"
#include "bot/base/clock.h"
#include "bot/base/text.h"
#include "bot/matrix/rooms_internal.h"

#define ID_MAX 255
#define JOIN_PATH_MAX 4096

/* ---- ids ---- */

bool rooms_is_id(const char *text)
{
	return text && text[0] == '!' && text[1] != '\0' && strlen(text) <= ID_MAX &&
	       text_is_utf8(text, strlen(text));
}

const char *rooms_server_of(const char *id)
{
	const char *colon = strchr(id, ':');

	return colon && colon[1] ? colon + 1 : NULL;
}

char *rooms_join_path(const char *room_id, char *const via[], size_t via_len)
{
	struct buf path;

	buf_init(&path, JOIN_PATH_MAX);
	buf_add_str(&path, "/v3/join/");
	text_add_uri(&path, room_id);
	for (size_t i = 0; i < via_len && via[i]; i++) {
		/* `via` is the current parameter, `server_name` the one for older servers */
		buf_add_str(&path, i == 0 ? "?via=" : "&via=");
		text_add_uri(&path, via[i]);
		buf_add_str(&path, "&server_name=");
		text_add_uri(&path, via[i]);
	}
	return buf_take(&path);
}

/* ---- what is known of room ids ---- */

struct room_known *rooms_known(struct rooms *rooms, const char *room_id)
{
	struct room_known *known;

	TAILQ_FOREACH(known, &rooms->known, link)
	{
		if (strcmp(known->room_id, room_id) == 0)
			return known;
	}
	known = x_calloc(1, sizeof(*known));
	known->room_id = x_strdup(room_id);
	TAILQ_INSERT_TAIL(&rooms->known, known, link);
	return known;
}

void rooms_note_encrypted(struct rooms *rooms, const char *room_id, const json_t *content)
{
	struct room_known *known = rooms_known(rooms, room_id);
	struct room_entry *entry;

	known->encrypted = true;
	known->told = true;
	if (rooms->events.on_encrypted)
		rooms->events.on_encrypted(
		        room_id, json_is_object(content) ? content : NULL, rooms->events.arg);
	TAILQ_FOREACH(entry, &rooms->entries, link)
	{
		if (!entry->room_id || strcmp(entry->room_id, room_id) != 0 ||
		        entry->room.encrypted)
			continue;
		entry->room.encrypted = entry->must_encrypt = true;
		if (rooms->events.on_room)
			rooms->events.on_room(&entry->room, rooms->events.arg);
	}
}

void rooms_remember_encrypted(struct rooms *rooms, const char *room_id, const char *address)
{
	struct room_known *known = rooms_known(rooms, room_id);

	known->encrypted = true;
	free(known->address);
	known->address = x_strdup_opt(address);
}

/* Whether the address led to an encrypted room in an earlier run. */
static bool rooms_was_encrypted(const struct rooms *rooms, const char *address)
{
	const struct room_known *known;

	TAILQ_FOREACH(known, &rooms->known, link)
	{
		if (known->encrypted && known->address && strcmp(known->address, address) == 0)
			return true;
	}
	return false;
}

void rooms_remember_settled(struct rooms *rooms, const json_t *settled)
{
	json_decref(rooms->settled);
	rooms->settled = json_deep_copy(settled);
}

json_t *rooms_settled(const struct rooms *rooms)
{
	const struct room_entry *entry;
	json_t *settled = json_object();

	TAILQ_FOREACH(entry, &rooms->entries, link)
	{
		if (entry->room.ready || entry->recall != RECALL_NONE)
			json_object_set_new(settled, entry->address, json_string(entry->room_id));
	}
	return settled;
}

/* ---- time ---- */

static void rooms_set_timer(struct rooms *rooms);

static void rooms_on_timer(uv_timer_t *timer)
{
	struct rooms *rooms = timer->data;
	int64_t now_ms = clock_monotonic_ms();
	struct room_invite *invite;
	struct room_entry *entry;

	TAILQ_FOREACH(entry, &rooms->entries, link)
	{
		if (entry->due_ms <= now_ms)
			room_follow(entry);
	}
	TAILQ_FOREACH(invite, &rooms->invites, link)
	{
		if (invite->due_ms <= now_ms)
			room_invite_start(invite);
	}
	rooms_set_timer(rooms);
}

static void rooms_set_timer(struct rooms *rooms)
{
	int64_t due_ms = INT64_MAX, now_ms = clock_monotonic_ms();
	const struct room_invite *invite;
	const struct room_entry *entry;

	if (rooms->closing)
		return;
	TAILQ_FOREACH(entry, &rooms->entries, link)
	{
		if (entry->due_ms < due_ms)
			due_ms = entry->due_ms;
	}
	TAILQ_FOREACH(invite, &rooms->invites, link)
	{
		if (invite->due_ms < due_ms)
			due_ms = invite->due_ms;
	}
	if (due_ms == INT64_MAX)
		uv_timer_stop(&rooms->timer);
	else
		uv_timer_start(&rooms->timer, rooms_on_timer,
		        due_ms > now_ms ? (uint64_t)(due_ms - now_ms) : 0, 0);
}

void rooms_due_in(struct rooms *rooms, int64_t *due_ms, int64_t ms)
{
	*due_ms = clock_monotonic_ms() + ms;
	rooms_set_timer(rooms);
}

/* ---- entries ---- */

static struct room_entry *entry_create(struct rooms *rooms, const char *name, const char *address)
{
	struct room_entry *entry = x_calloc(1, sizeof(*entry));
	const char *room_id = json_string_value(json_object_get(rooms->settled, address));

	entry->rooms = rooms;
	entry->room.name = entry->name = x_strdup(name);
	entry->room.address = entry->address = x_strdup(address);
	entry->must_encrypt = rooms_was_encrypted(rooms, address);
	if (rooms_is_id(room_id) && !rooms->caught_up) {
		entry->room.room_id = entry->room_id = x_strdup(room_id);
		entry->room.encrypted = rooms_known(rooms, room_id)->encrypted;
		entry->recall = RECALL_STORED;
	}
	entry->due_ms = INT64_MAX;
	strcpy(entry->room.problem, "not checked yet");
	TAILQ_INSERT_TAIL(&rooms->entries, entry, link);
	rooms->entries_len++;
	return entry;
}

static void entry_free(struct room_entry *entry)
{
	free(entry->name);
	free(entry->address);
	free(entry->room_id);
	free(entry->candidate);
	json_decref(entry->levels);
	for (size_t i = 0; i < ROOM_VIA_MAX; i++)
		free(entry->via[i]);
	room_forget_trail(entry);
	free(entry);
}

/* Removes an entry from the list; one with a call in flight is freed when the call ends. */
static void entry_remove(struct room_entry *entry)
{
	TAILQ_REMOVE(&entry->rooms->entries, entry, link);
	entry->rooms->entries_len--;
	entry->removed = true;
	if (entry->call)
		mx_cancel(entry->call);
	else
		entry_free(entry);
}

static struct room_entry *entry_by_name(const struct rooms *rooms, const char *name)
{
	struct room_entry *entry;

	TAILQ_FOREACH(entry, &rooms->entries, link)
	{
		if (strcmp(entry->name, name) == 0)
			return entry;
	}
	return NULL;
}

/* ---- the config ---- */

static char **rooms_copy_list(char *const *list)
{
	size_t len = 0;
	char **copy;

	while (list && list[len])
		len++;
	copy = x_calloc(len + 1, sizeof(*copy));
	for (size_t i = 0; i < len; i++)
		copy[i] = x_strdup(list[i]);
	return copy;
}

static void rooms_free_list(char **list)
{
	for (size_t i = 0; list && list[i]; i++)
		free(list[i]);
	free(list);
}

static bool rooms_is_wanted(const struct config *config, const struct room_entry *entry)
{
	for (size_t i = 0; i < config->rooms_len; i++)
		if (strcmp(config->rooms[i].name, entry->name) == 0)
			return strcmp(config->rooms[i].address, entry->address) == 0;
	return false;
}

void rooms_configure(struct rooms *rooms, const struct config *config)
{
	struct room_entry *entry, *next;

	rooms_free_list(rooms->invite_from);
	rooms->invite_from = rooms_copy_list(config->matrix.invite_from);
	for (entry = TAILQ_FIRST(&rooms->entries); entry; entry = next) {
		next = TAILQ_NEXT(entry, link);
		if (!rooms_is_wanted(config, entry))
			entry_remove(entry);
	}
	for (size_t i = 0; i < config->rooms_len; i++) {
		const struct config_room *room = &config->rooms[i];

		entry = entry_by_name(rooms, room->name);
		if (!entry)
			entry = entry_create(rooms, room->name, room->address);
		room_follow(entry);
	}
}

/* ---- closing ---- */

static void rooms_free_all(struct rooms *rooms)
{
	struct room_entry *entry;
	struct room_known *known;

	while ((entry = TAILQ_FIRST(&rooms->entries)))
		entry_remove(entry);
	while ((known = TAILQ_FIRST(&rooms->known))) {
		TAILQ_REMOVE(&rooms->known, known, link);
		free(known->room_id);
		free(known->address);
		free(known);
	}
	while (!TAILQ_EMPTY(&rooms->invites))
		room_invite_destroy(TAILQ_FIRST(&rooms->invites));
	rooms_free_list(rooms->invite_from);
	json_decref(rooms->settled);
	free(rooms->user_id);
	free(rooms);
}

static void rooms_maybe_closed(struct rooms *rooms)
{
	void (*closed)(void *arg) = rooms->closed;
	void *arg = rooms->closed_arg;

	if (!rooms->closing || !rooms->timer_closed || rooms->calls > 0)
		return;
	rooms_free_all(rooms);
	closed(arg);
}

static void rooms_on_timer_closed(uv_handle_t *handle)
{
	struct rooms *rooms = handle->data;

	rooms->timer_closed = true;
	rooms_maybe_closed(rooms);
}

bool rooms_call_ended(struct rooms *rooms, struct room_entry *entry)
{
	rooms->calls--;
	if (entry && entry->removed)
		entry_free(entry);
	else if (!rooms->closing)
		return false;
	rooms_maybe_closed(rooms);
	return true;
}

void rooms_close(struct rooms *rooms, void (*closed)(void *arg), void *arg)
{
	struct room_invite *invite;
	struct room_entry *entry;

	assert(!rooms->closing);
	rooms->closing = true;
	rooms->closed = closed;
	rooms->closed_arg = arg;
	TAILQ_FOREACH(entry, &rooms->entries, link)
	{
		if (entry->call)
			mx_cancel(entry->call);
	}
	TAILQ_FOREACH(invite, &rooms->invites, link)
	{
		if (invite->call)
			mx_cancel(invite->call);
	}
	uv_close((uv_handle_t *)&rooms->timer, rooms_on_timer_closed);
}

/* ---- the interface ---- */

struct rooms *rooms_create(
        uv_loop_t *loop, struct mx *mx, const char *user_id, const struct rooms_events *events)
{
	struct rooms *rooms = x_calloc(1, sizeof(*rooms));

	rooms->mx = mx;
	rooms->user_id = x_strdup(user_id);
	rooms->events = *events;
	TAILQ_INIT(&rooms->entries);
	TAILQ_INIT(&rooms->known);
	TAILQ_INIT(&rooms->invites);
	uv_timer_init(loop, &rooms->timer);
	rooms->timer.data = rooms;
	return rooms;
}

void rooms_recheck(struct rooms *rooms, const char *name)
{
	struct room_entry *entry = entry_by_name(rooms, name);

	if (!entry)
		return;
	entry->joined = false; /* so that membership is checked again */
	room_follow_soon(entry);
}

const struct room *rooms_get(const struct rooms *rooms, const char *name)
{
	const struct room_entry *entry = entry_by_name(rooms, name);

	return entry ? &entry->room : NULL;
}

size_t rooms_len(const struct rooms *rooms)
{
	return rooms->entries_len;
}

const struct room *rooms_at(const struct rooms *rooms, size_t index)
{
	const struct room_entry *entry = TAILQ_FIRST(&rooms->entries);

	assert(index < rooms->entries_len);
	while (index-- > 0)
		entry = TAILQ_NEXT(entry, link);
	return &entry->room;
}

/*
 * members.c - see members.h.
 *
 * A room's list is being fetched (a call is in flight), waiting (for its backoff) or known.
 * `stale`: a change arrived by /sync during the fetch, so its answer may be outdated and the list
 * is fetched once more.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/log.h"
#include "bot/matrix/backoff.h"
#include "bot/matrix/members.h"

#define REQUEST_TIMEOUT_MS 60000
#define USERS_MAX 20000 /* per room; an operators' room has a few dozen */

struct member_room {
	TAILQ_ENTRY(member_room) link;
	struct members *members;
	char *room_id;
	struct mx_call *call;
	struct member_list *list; /* NULL = not known */
	bool stale;
	unsigned tries;
	int64_t due_ms; /* monotonic; INT64_MAX = not waiting */
};

struct members {
	struct mx *mx;
	struct members_events events;
	uv_timer_t timer;
	TAILQ_HEAD(, member_room) rooms;
	bool closing, timer_closed;
	void (*closed)(void *arg);
	void *closed_arg;
};

struct member_list *member_list_ref(struct member_list *list)
{
	list->refs++;
	return list;
}

void member_list_unref(struct member_list *list)
{
	if (!list || --list->refs > 0)
		return;
	for (size_t i = 0; i < list->len; i++)
		free(list->users[i]);
	free(list->users);
	free(list);
}

static void members_ask(struct member_room *room);

static void members_on_timer(uv_timer_t *timer)
{
	struct members *members = timer->data;
	int64_t now_ms = clock_monotonic_ms(), next_ms = INT64_MAX;
	struct member_room *room;

	TAILQ_FOREACH(room, &members->rooms, link)
	{
		if (room->due_ms <= now_ms)
			members_ask(room);
		else if (room->due_ms < next_ms)
			next_ms = room->due_ms;
	}
	if (next_ms != INT64_MAX)
		uv_timer_start(timer, members_on_timer, (uint64_t)(next_ms - now_ms), 0);
}

static void members_ask_later(struct member_room *room, int64_t server_ms)
{
	int64_t wait_ms = backoff_ms(++room->tries, server_ms, arc4random());
	uv_timer_t *timer = &room->members->timer;

	room->due_ms = clock_monotonic_ms() + wait_ms;
	if (!uv_is_active((uv_handle_t *)timer) || uv_timer_get_due_in(timer) > (uint64_t)wait_ms)
		uv_timer_start(timer, members_on_timer, (uint64_t)wait_ms, 0);
}

static void members_list_add(struct member_list *list, const json_t *chunk, const char *membership)
{
	const json_t *event;
	size_t i;

	json_array_foreach((json_t *)chunk, i, event)
	{
		const char *user = json_string_value(json_object_get(event, "state_key"));
		const char *is = json_string_value(
		        json_object_get(json_object_get(event, "content"), "membership"));

		if (user && is && strcmp(is, membership) == 0)
			list->users[list->len++] = x_strdup(user);
	}
}

/* NULL when the answer is malformed. */
static struct member_list *members_parse(const json_t *body)
{
	const json_t *chunk = json_object_get(body, "chunk");
	struct member_list *list;

	if (!json_is_array(chunk) || json_array_size(chunk) > USERS_MAX)
		return NULL;
	list = x_calloc(1, sizeof(*list));
	list->refs = 1;
	list->users = x_calloc(json_array_size(chunk) + 1, sizeof(*list->users));
	members_list_add(list, chunk, "join");
	list->joined = list->len;
	members_list_add(list, chunk, "invite");
	return list;
}

static void members_free(struct members *members)
{
	void (*closed)(void *arg) = members->closed;
	void *arg = members->closed_arg;
	struct member_room *room;

	while ((room = TAILQ_FIRST(&members->rooms))) {
		TAILQ_REMOVE(&members->rooms, room, link);
		member_list_unref(room->list);
		free(room->room_id);
		free(room);
	}
	free(members);
	closed(arg);
}

static void members_maybe_closed(struct members *members)
{
	struct member_room *room;

	if (!members->timer_closed)
		return;
	TAILQ_FOREACH(room, &members->rooms, link)
	{
		if (room->call)
			return;
	}
	members_free(members);
}

static void members_on_answer(const struct mx_answer *answer, void *arg)
{
	struct member_room *room = arg;
	struct members *members = room->members;

	room->call = NULL;
	if (members->closing) {
		members_maybe_closed(members);
		return;
	}
	if (room->stale) {
		room->stale = false;
		members_ask(room);
		return;
	}
	if (answer->code == OK)
		room->list = members_parse(answer->body);
	if (!room->list) {
		log_seldom(LOG_WARNING, "members", room->room_id, "cannot learn who is in %s: %s",
		        room->room_id, answer->code == OK ? "unexpected answer" : answer->error);
		members_ask_later(room, answer->retry_after_ms);
		return;
	}
	room->tries = 0;
	members->events.on_known(room->room_id, members->events.arg);
}

static void members_ask(struct member_room *room)
{
	char *path = mx_path("/v3/rooms/%s/members?not_membership=leave", room->room_id);

	member_list_unref(room->list);
	room->list = NULL;
	room->due_ms = INT64_MAX;
	room->call = mx_start(
	        room->members->mx, "GET", path, NULL, REQUEST_TIMEOUT_MS, members_on_answer, room);
	free(path);
}

/* Drops the known list, which may be outdated. */
static void members_forget(struct member_room *room)
{
	if (room->call)
		room->stale = true;
	else
		members_ask(room);
}

struct members *members_create(uv_loop_t *loop, struct mx *mx, const struct members_events *events)
{
	struct members *members = x_calloc(1, sizeof(*members));

	members->mx = mx;
	members->events = *events;
	TAILQ_INIT(&members->rooms);
	uv_timer_init(loop, &members->timer);
	members->timer.data = members;
	return members;
}

static struct member_room *members_room_of(const struct members *members, const char *room_id)
{
	struct member_room *room;

	TAILQ_FOREACH(room, &members->rooms, link)
	{
		if (strcmp(room->room_id, room_id) == 0)
			return room;
	}
	return NULL;
}

void members_follow(struct members *members, const char *room_id)
{
	struct member_room *room = members_room_of(members, room_id);

	if (room || members->closing)
		return;
	room = x_calloc(1, sizeof(*room));
	room->members = members;
	room->room_id = x_strdup(room_id);
	TAILQ_INSERT_TAIL(&members->rooms, room, link);
	members_ask(room);
}

/* Whether the list has that user as one who has joined. */
static bool members_has_joined(const struct member_list *list, const char *user)
{
	for (size_t i = 0; list && i < list->joined; i++)
		if (strcmp(list->users[i], user) == 0)
			return true;
	return false;
}

/* Whether a part of an answer has a membership that the list does not have. Another profile of one
 * who has joined is none; nor is a sender's membership, which the homeserver adds to `state`. */
static bool members_has_news(const struct member_list *list, const json_t *block)
{
	const json_t *events = json_object_get(block, "events"), *event;
	size_t i;

	json_array_foreach((json_t *)events, i, event)
	{
		const char *type = json_string_value(json_object_get(event, "type"));
		const char *user = json_string_value(json_object_get(event, "state_key"));
		const char *is = json_string_value(
		        json_object_get(json_object_get(event, "content"), "membership"));
		bool member = type && strcmp(type, "m.room.member") == 0;

		if (member &&
		        !(user && is && strcmp(is, "join") == 0 && members_has_joined(list, user)))
			return true;
	}
	return false;
}

void members_take_sync(struct members *members, const json_t *sync)
{
	const json_t *join = json_object_get(json_object_get(sync, "rooms"), "join");
	struct member_room *room;

	TAILQ_FOREACH(room, &members->rooms, link)
	{
		const json_t *part = json_object_get(join, room->room_id);
		const json_t *timeline = json_object_get(part, "timeline");

		if (json_is_true(json_object_get(timeline, "limited")) ||
		        members_has_news(room->list, timeline) ||
		        members_has_news(room->list, json_object_get(part, "state")))
			members_forget(room);
	}
}

void members_refresh(struct members *members)
{
	struct member_room *room;

	TAILQ_FOREACH(room, &members->rooms, link)
	{
		members_forget(room);
	}
}

struct member_list *members_of(const struct members *members, const char *room_id)
{
	struct member_room *room = members_room_of(members, room_id);

	return room && !room->stale ? room->list : NULL;
}

static void members_on_timer_closed(uv_handle_t *handle)
{
	struct members *members = handle->data;

	members->timer_closed = true;
	members_maybe_closed(members);
}

void members_close(struct members *members, void (*closed)(void *arg), void *arg)
{
	struct member_room *room;

	assert(!members->closing);
	members->closing = true;
	members->closed = closed;
	members->closed_arg = arg;
	TAILQ_FOREACH(room, &members->rooms, link)
	{
		if (room->call)
			mx_cancel(room->call);
	}
	uv_close((uv_handle_t *)&members->timer, members_on_timer_closed);
}

/*
 * members.h - the members of the encrypted rooms, all of whom must get the room keys.
 *
 * A list is fetched as a whole (/members), and again whenever a /sync answer has a membership that
 * differs from it, or left something out. Meanwhile the list is unknown and the room must wait, so
 * that nobody who has left is mistaken for a member. So a change costs a list as long as the room
 * has members; a membership in an answer that changes nothing is looked for in the list; an answer
 * without any costs no member anything.
 */
#pragma once

#include "bot/matrix/client.h"

struct members;

/* Joined users, then invited ones. Reference counted, on the loop only; a job on another thread
 * borrows the reference of whoever submitted it. */
struct member_list {
	unsigned refs;
	size_t len, joined;
	char **users;
};

struct member_list *member_list_ref(struct member_list *list);
void member_list_unref(struct member_list *list); /* NULL is allowed */

struct members_events {
	/* The list of a room has become known (again). */
	void (*on_known)(const char *room_id, void *arg);
	void *arg;
};

struct members *members_create(uv_loop_t *loop, struct mx *mx, const struct members_events *events);
/* Keeps a room's list up to date from now on. */
void members_follow(struct members *members, const char *room_id);
void members_take_sync(struct members *members, const json_t *sync);
/* Fetches all lists again, since changes may have been missed. */
void members_refresh(struct members *members);
/* NULL while the list is not known. Borrowed, valid until the loop's next event. */
struct member_list *members_of(const struct members *members, const char *room_id);
void members_close(struct members *members, void (*closed)(void *arg), void *arg);

/*
 * members.h - who is in the encrypted rooms: everybody who must get the keys of what is sent.
 *
 * A list is asked for as a whole (/members) and asked for again whenever a /sync answer tells of
 * any change, or left something out. While an answer is awaited nobody knows the list, and the
 * room must wait: so nobody who has left can be taken for a member.
 */
#pragma once

#include "bot/matrix/client.h"

struct members;

/* Joined users, then invited ones. Reference counted, on the loop alone; a job on the pool borrows
 * the reference of whoever submitted it. */
struct member_list {
	unsigned refs;
	size_t len, joined;
	char **users;
};

struct member_list *member_list_ref(struct member_list *list);
void member_list_unref(struct member_list *list); /* NULL is allowed */

struct members_events {
	/* The list of a room is known (again). */
	void (*on_known)(const char *room_id, void *arg);
	void *arg;
};

struct members *members_create(uv_loop_t *loop, struct mx *mx, const struct members_events *events);
/* Follows a room's list from now on. */
void members_follow(struct members *members, const char *room_id);
void members_take_sync(struct members *members, const json_t *sync);
/* Asks for all lists anew: something may have been missed. */
void members_refresh(struct members *members);
/* NULL while it is not known. Borrowed, good until the loop's next event. */
struct member_list *members_of(const struct members *members, const char *room_id);
void members_close(struct members *members, void (*closed)(void *arg), void *arg);

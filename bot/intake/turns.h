/*
 * turns.h - fair turns: who has handed in little is served before who has handed in much.
 *
 * What waits belongs to an origin (an app) and came one way (a connection). It is served after
 * those that wait with as many before them, of the same origin or by the same way, whichever are
 * more. So the first of an origin that nobody has heard of lately, on a connection of its own, is
 * served before the second of anybody else: whether a flood comes by one connection under ever new
 * names, or under one name by ever new connections. What came one way stays in order, and what came
 * by none, of one origin. Adding and taking one costs the same however many wait. Pure; holds no
 * memory of what it queues.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct turn_share;

/* Stands in what waits; all of it is the queue's until it is taken out. */
struct turn {
	struct turn *next;
	struct turn_share *origin, *way; /* way NULL = none that counts */
};

struct turns;

struct turns *turns_create(void);
/* NULL is allowed; nothing may wait any more. */
void turns_destroy(struct turns *turns);

/* origin is copied; way is a number of the caller's, 0 = none. */
void turns_add(struct turns *turns, struct turn *turn, const char *origin, uint64_t way);
/* How many wait of an origin or by a way, whichever are more; how many altogether. */
size_t turns_before(const struct turns *turns, const char *origin, uint64_t way);
size_t turns_len(const struct turns *turns);
/* Who is next, taken out; NULL: nobody waits. */
struct turn *turns_next(struct turns *turns);

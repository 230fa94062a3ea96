/*
 * turns.h - fair queueing: a sender with few waiting alerts is served before one with many.
 *
 * Each waiting turn has an origin (an app) and a way by which it came (a connection). A new turn is
 * placed after those that have as many turns before them, of the same origin or the same way,
 * whichever are more. So the first turn of an origin without waiting ones, on a connection of its
 * own, is served before the second turn of anybody else, whether a flood uses one connection with
 * ever new names, or one name with ever new connections. Turns of one way are served in order, and
 * so are turns without a way that have the same origin. Adding and taking one costs the same
 * however many wait. Pure; does not own the memory of what it queues.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct turn_share;

/* Embedded in what is queued; all its members belong to the queue until it is taken out. */
struct turn {
	struct turn *next;
	struct turn_share *origin, *way; /* way NULL = without a way */
};

struct turns;

struct turns *turns_create(void);
/* NULL is allowed; the queue must be empty. */
void turns_destroy(struct turns *turns);

/* origin is copied; way is a number chosen by the caller, 0 = none. */
void turns_add(struct turns *turns, struct turn *turn, const char *origin, uint64_t way);
/* How many turns wait of the origin or the way, whichever are more; how many wait in all. */
size_t turns_before(const struct turns *turns, const char *origin, uint64_t way);
size_t turns_len(const struct turns *turns);
/* Takes out the next turn; NULL: none is waiting. */
struct turn *turns_next(struct turns *turns);

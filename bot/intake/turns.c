/*
 * turns.c - see turns.h.
 *
 * Turns are served in rounds. A new turn is queued as many rounds after the current one as turns
 * wait before it (of its origin or way, whichever are more), but not in an earlier round than the
 * turn that last came the same way. The rounds are a ring of lists; a turn beyond the ring's length
 * is queued in the last one, still in order. A share counts the waiting turns of an origin or a
 * way, and exists only while there are any.
 */
#include "bot/intake/turns.h"

#include <assert.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"

#define TURNS_ROUNDS 1024
#define TURNS_NAME_MAX 128 /* an app has at most 64 characters */

struct turn_share {
	size_t waiting;
	uint64_t last;             /* round of the newest turn */
	char name[TURNS_NAME_MAX]; /* '@' and the origin, or '#' and the number of the way */
};

struct turn_round {
	struct turn *first, **end; /* end: where the next turn is linked; unset when empty */
};

struct turns {
	struct turn_round rounds[TURNS_ROUNDS];
	uint64_t now; /* the round being served */
	size_t len;   /* number of waiting turns */
	void *shares; /* tree, by name */
};

static int share_compare(const void *a, const void *b)
{
	return strcmp(((const struct turn_share *)a)->name, ((const struct turn_share *)b)->name);
}

static void share_name_origin(struct turn_share *share, const char *origin)
{
	snprintf(share->name, sizeof(share->name), "@%s", origin);
}

static void share_name_way(struct turn_share *share, uint64_t way)
{
	snprintf(share->name, sizeof(share->name), "#%llu", (unsigned long long)way);
}

static struct turn_share *share_join(struct turns *turns, const struct turn_share *named)
{
	struct turn_share **place = tsearch(named, &turns->shares, share_compare);
	struct turn_share *share;

	if (!place)
		abort(); /* out of memory */
	share = *place;
	if (share == named) {
		share = *place = x_calloc(1, sizeof(*share));
		*share = *named;
	}
	share->waiting++;
	return share;
}

static void share_leave(struct turns *turns, struct turn_share *share)
{
	if (!share || --share->waiting > 0)
		return;
	tdelete(share, &turns->shares, share_compare);
	free(share);
}

static size_t share_waiting(const struct turns *turns, const struct turn_share *named)
{
	struct turn_share *const *place = tfind(named, &turns->shares, share_compare);

	return place ? (*place)->waiting : 0;
}

struct turns *turns_create(void)
{
	return x_calloc(1, sizeof(struct turns));
}

void turns_destroy(struct turns *turns)
{
	assert(!turns || turns->len == 0);
	free(turns);
}

static struct turn_round *round_at(struct turns *turns, uint64_t number)
{
	return &turns->rounds[number % TURNS_ROUNDS];
}

/* The round of a new turn: after the waiting ones of its shares, not before the newest of its
 * way. */
static uint64_t turn_round(const struct turns *turns, const struct turn *turn)
{
	const struct turn_share *line = turn->way ? turn->way : turn->origin;
	uint64_t number = turns->now + turn->origin->waiting - 1;

	if (turn->way && turns->now + turn->way->waiting - 1 > number)
		number = turns->now + turn->way->waiting - 1;
	if (line->last > number)
		number = line->last;
	return number < turns->now + TURNS_ROUNDS ? number : turns->now + TURNS_ROUNDS - 1;
}

void turns_add(struct turns *turns, struct turn *turn, const char *origin, uint64_t way)
{
	struct turn_share share = {0};
	struct turn_round *round;
	uint64_t number;

	share_name_origin(&share, origin);
	turn->origin = share_join(turns, &share);
	share_name_way(&share, way);
	turn->way = way ? share_join(turns, &share) : NULL;
	number = turn_round(turns, turn);
	turn->origin->last = number;
	if (turn->way)
		turn->way->last = number;
	round = round_at(turns, number);
	if (!round->first)
		round->end = &round->first;
	turn->next = NULL;
	*round->end = turn;
	round->end = &turn->next;
	turns->len++;
}

size_t turns_before(const struct turns *turns, const char *origin, uint64_t way)
{
	struct turn_share share = {0};
	size_t before, by_way;

	share_name_origin(&share, origin);
	before = share_waiting(turns, &share);
	share_name_way(&share, way);
	by_way = way ? share_waiting(turns, &share) : 0;
	return before > by_way ? before : by_way;
}

size_t turns_len(const struct turns *turns)
{
	return turns->len;
}

struct turn *turns_next(struct turns *turns)
{
	struct turn_round *round;
	struct turn *turn;

	if (turns->len == 0)
		return NULL;
	while (!round_at(turns, turns->now)->first)
		turns->now++;
	round = round_at(turns, turns->now);
	turn = round->first;
	round->first = turn->next;
	turns->len--;
	share_leave(turns, turn->origin);
	share_leave(turns, turn->way);
	return turn;
}

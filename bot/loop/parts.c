/*
 * parts.c - see parts.h.
 */
#include "bot/loop/parts.h"

#include <assert.h>

static void **parts_slot(const struct parts *parts, size_t row)
{
	return (void **)((char *)parts->owner + parts->table[row].slot);
}

enum err parts_open(struct parts *parts, struct fault *fault)
{
	assert(parts->len <= PARTS_MAX);
	for (; parts->open < parts->len; parts->open++) {
		enum err err = parts->table[parts->open].create(parts->owner, fault);

		if (err != OK)
			return err;
	}
	return OK;
}

void parts_configure(struct parts *parts, struct config *config)
{
	for (size_t i = 0; i < parts->open; i++)
		if (parts->table[i].configure)
			parts->table[i].configure(*parts_slot(parts, i), config);
}

static void parts_on_part_closed(void *arg);

/* Closes the last open row and the rows closed along with it; reports the end when no row is
 * open. */
static void parts_close_next(struct parts *parts)
{
	size_t end = parts->open, first = end;

	if (end == 0) {
		parts->closed(parts->closed_arg);
		return;
	}
	do
		first--;
	while (first > 0 && parts->table[first - 1].along);
	parts->open = first;
	parts->closing = (unsigned)(end - first);
	/* the last one may close at once, and then the owner is freed */
	for (size_t i = end; i-- > first;) {
		parts->ends[i] = (struct part_end){parts, i};
		parts->table[i].close(*parts_slot(parts, i), parts_on_part_closed, &parts->ends[i]);
	}
}

static void parts_on_part_closed(void *arg)
{
	const struct part_end *end = arg;
	struct parts *parts = end->parts;

	*parts_slot(parts, end->row) = NULL;
	if (--parts->closing == 0)
		parts_close_next(parts);
}

void parts_close(struct parts *parts, void (*closed)(void *arg), void *arg)
{
	assert(!parts->ending);
	parts->ending = true;
	parts->closed = closed;
	parts->closed_arg = arg;
	parts_close_next(parts);
}

const char *parts_closing(const struct parts *parts)
{
	for (size_t i = parts->len; parts->ending && i-- > parts->open;)
		if (*parts_slot(parts, i))
			return parts->table[i].name;
	return "";
}

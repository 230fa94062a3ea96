/*
 * parts.h - the parts of a process as a table: opened from its first row to its last, closed in
 * reverse.
 *
 * Happy path: parts_open() creates each part after the rows above, which it may use. parts_close()
 * closes the last row first and continues when that is closed; a row with `along` is closed at the
 * same time as the row below it. While a part closes, all parts above it still work.
 * Failures: when a part cannot be created, parts_open() reports why and leaves those above it
 * open; parts_close() then closes them as usual.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include "bot/config/config.h"

#define PARTS_MAX 24

struct part {
	const char *name; /* for the log */
	size_t slot;      /* offset of the pointer to the part in its owner; NULL while not open */
	/* Puts the part into its slot. On failure nothing of it is left, and fault says why. */
	enum err (*create)(void *owner, struct fault *fault);
	/* Takes over a reloaded config; NULL: the part does not use the config. */
	void (*configure)(void *part, struct config *config);
	/* Calls closed(arg) once, possibly before it returns. The slot is set to NULL then. */
	void (*close)(void *part, void (*closed)(void *arg), void *arg);
	bool along;
};

struct parts {
	const struct part *table; /* static */
	size_t len;               /* PARTS_MAX at most */
	void *owner;              /* the struct that has the slots */
	size_t open;              /* number of open rows, from the first on */
	unsigned closing;         /* number of rows being closed */
	bool ending;              /* parts_close() was called */
	struct part_end {
		struct parts *parts;
		size_t row;
	} ends[PARTS_MAX]; /* the arguments of closed() */
	void (*closed)(void *arg);
	void *closed_arg;
};

enum err parts_open(struct parts *parts, struct fault *fault);
/* Configures the open parts, from the first row to the last. */
void parts_configure(struct parts *parts, struct config *config);
/* Calls closed(arg) once when no row is open any more. */
void parts_close(struct parts *parts, void (*closed)(void *arg), void *arg);
/* The name of a part that is being closed; "" when none is. */
const char *parts_closing(const struct parts *parts);

/* The close and configure functions of a row, for a part that has PART_close() and
 * PART_configure(). */
#define PART_CLOSE(x)                                                           \
	static void close_##x(void *part, void (*closed)(void *arg), void *arg) \
	{                                                                       \
		x##_close(part, closed, arg);                                   \
	}
#define PART(x)                                                          \
	static void configure_##x(void *part, struct config *new_config) \
	{                                                                \
		x##_configure(part, new_config);                         \
	}                                                                \
	PART_CLOSE(x)

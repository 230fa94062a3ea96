/*
 * fake_ask.h - stands in for bot/setup/ask.c: answers by a table, and remembers what was asked.
 */
#pragma once

#include "bot/setup/ask.h"

struct fake_call {
	const char *method, *path;
	enum err code;
	const char *body;    /* JSON, NULL = none */
	const char *errcode; /* NULL = none */
};

struct fake_ask {
	enum err open; /* OK, or how ask_open() fails */
	const struct fake_call *calls;
	size_t len;
	int64_t skew_ms;        /* the homeserver's clock is ahead by this */
	int64_t retry_after_ms; /* of every answer; 0 = -1 */
	/* what happened */
	unsigned asked[32]; /* by call */
	char *last_body;    /* of the last call that had one; owned */
	char token[128];    /* the present one */
};

/* The one that ask_open() takes; set before. */
extern struct fake_ask fake_ask;

void fake_ask_reset(void);

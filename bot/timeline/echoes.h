/*
 * echoes.h - the bot's own newest events as /sync showed them, with their transaction ids. The
 * request that sent one may not be answered yet when people react to it.
 */
#pragma once

#include <jansson.h>

#define ECHOES_MAX 16

struct echo {
	char *event_id, *txn_id;
};

struct echoes {
	struct echo newest[ECHOES_MAX]; /* a ring */
	unsigned next;                  /* place in it */
};

void echo_finish(struct echo *echo);
void echoes_finish(struct echoes *echoes);

/* Remembers an event of the bot if this device sent it: only then it has a transaction id. */
void echoes_note(struct echoes *echoes, const json_t *raw);

/* The event that another one relates to, answers or redacts: a copy, owned by the caller; NULLs =
 * none of these. */
struct echo echoes_find(const struct echoes *echoes, const json_t *raw);

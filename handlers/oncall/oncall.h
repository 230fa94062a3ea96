/*
 * oncall.h - who is on call, with the overrides that are stored; for whoever mentions or names
 * them. Inside writer jobs.
 */
#pragma once

#include "handlers/alerts/deliver.h"
#include "handlers/oncall/rota.h"

struct oncall_turn {
	char *user, *next; /* as of struct rota_turn; owned */
	char *author;      /* who said so, where it is not the user's turn; owned, or NULL */
	int64_t until_ms;
};

enum err oncall_turn(
        const struct deliver *d, const struct config_oncall *oncall, struct oncall_turn *out);
void oncall_turn_finish(struct oncall_turn *turn);

/* Whom a mention of the config means now: each "oncall:NAME" is replaced. *out ends with NULL; free
 * it with oncall_mention_free(), also after a failure. */
enum err oncall_mention(const struct deliver *d, char *const *names, char ***out);
void oncall_mention_free(char **names); /* NULL is allowed */

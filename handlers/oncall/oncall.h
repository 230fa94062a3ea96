/*
 * oncall.h - who is on call, including stored overrides. Inside writer jobs.
 */
#pragma once

#include "handlers/alerts/deliver.h"
#include "handlers/oncall/rota.h"

struct oncall_turn {
	char *user, *next; /* see struct rota_turn; owned */
	char *author;      /* who made the override; NULL: it is the user's regular turn; owned */
	int64_t until_ms;
};

enum err oncall_turn(
        const struct deliver *d, const struct config_oncall *oncall, struct oncall_turn *out);
void oncall_turn_finish(struct oncall_turn *turn);

/* Resolves the mentions of the config: each "oncall:NAME" is replaced by the user on call. *out
 * is terminated by NULL; free it with oncall_mention_free(), also after an error. */
enum err oncall_mention(const struct deliver *d, char *const *names, char ***out);
void oncall_mention_free(char **names); /* NULL is allowed */

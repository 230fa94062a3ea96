/*
 * oncall.c - see oncall.h.
 */
#include <string.h>
#include "bot/base/alloc.h"
#include "handlers/oncall/oncall.h"

enum err oncall_turn(
        const struct deliver *d, const struct config_oncall *oncall, struct oncall_turn *out)
{
	struct oncall_override_row *rows = NULL;
	struct rota_turn turn;
	size_t len = 0;
	enum err err = oncall_overrides_after(d->store, d->now_ms, &rows, &len);

	rota_at(oncall, rows, len, d->now_ms, &turn);
	*out = (struct oncall_turn){x_strdup(turn.user), x_strdup_opt(turn.next),
	        x_strdup_opt(turn.author), turn.until_ms};
	oncall_override_rows_free(rows, len);
	return err;
}

void oncall_turn_finish(struct oncall_turn *turn)
{
	free(turn->user);
	free(turn->next);
	free(turn->author);
	*turn = (struct oncall_turn){0};
}

static bool oncall_is_listed(char *const *names, size_t len, const char *name)
{
	for (size_t i = 0; i < len; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

enum err oncall_mention(const struct deliver *d, char *const *names, char ***out)
{
	size_t prefix = strlen(CONFIG_ONCALL_PREFIX), count = 0, len = 0;
	enum err err = OK;

	while (names[count])
		count++;
	*out = x_calloc(count + 1, sizeof(**out));
	for (size_t i = 0; i < count && err == OK; i++) {
		struct oncall_turn turn = {0};
		const struct config_oncall *oncall = NULL;
		const char *name = names[i];

		if (strncmp(name, CONFIG_ONCALL_PREFIX, prefix) == 0) {
			oncall = config_oncall(d->config, name + prefix);
			if (!oncall)
				continue; /* cannot happen: the config was checked */
			err = oncall_turn(d, oncall, &turn);
			name = turn.user;
		}
		if (!oncall_is_listed(*out, len, name))
			(*out)[len++] = x_strdup(name);
		oncall_turn_finish(&turn);
	}
	return err;
}

void oncall_mention_free(char **names)
{
	for (size_t i = 0; names && names[i]; i++)
		free(names[i]);
	free(names);
}

/*
 * unread.c - see unread.h.
 */
#include "handlers/commands/unread.h"

#include <stdlib.h>
#include <string.h>
#include "bot/base/clock.h"
#include "bot/base/log.h"
#include "handlers/commands/command.h"
#include "storage/state.h"

#define KEPT_MAX 1000     /* in all */
#define KEPT_OTHER_MAX 25 /* total at which rooms outside of the config are ignored */
#define TRIED_MAX 50      /* tried in one call */
#define GIVE_UP_MS CLOCK_DAY_MS
#define TELL_MS CLOCK_MINUTE_MS
#define TELL_PAUSE_MS (10 * CLOCK_MINUTE_MS) /* between two messages about unreadable events */
#define TOLD "unread.told_ms"

enum unread_next unread_judge(const struct undecrypted_row *row, int64_t now_ms)
{
	int64_t age_ms = now_ms - row->at_ms;

	if (age_ms > GIVE_UP_MS)
		return UNREAD_GIVE_UP;
	return age_ms > TELL_MS && !row->told_ms && row->room[0] ? UNREAD_TELL : UNREAD_WAIT;
}

enum err unread_keep(const struct command_env *env, const char *room, const char *room_id,
        int64_t power, const json_t *event)
{
	const char *event_id = json_string_value(json_object_get(event, "event_id"));
	struct undecrypted_row row = {
	        .at_ms = env->now_ms,
	        .power = power,
	        .room = (char *)room,
	        .room_id = (char *)room_id,
	        .event_id = (char *)event_id,
	        .event = json_dumps(event, JSON_COMPACT),
	};
	int64_t count;
	enum err err = undecrypted_count(env->store, &count);

	if (err == OK && count < (room[0] ? KEPT_MAX : KEPT_OTHER_MAX))
		err = undecrypted_insert(env->store, &row);
	free(row.event);
	return err == ERR_EXISTS ? OK : err;
}

/* *lately: a message was sent less than TELL_PAUSE_MS ago; if not, one counts as sent now. */
static enum err told_lately(const struct command_env *env, bool *lately)
{
	char *last = NULL, now[32];
	enum err err = state_get(env->store, TOLD, &last);

	*lately = err == OK && env->now_ms - strtoll(last, NULL, 10) < TELL_PAUSE_MS;
	free(last);
	if (*lately || (err != OK && err != ERR_NOT_FOUND))
		return err;
	snprintf(now, sizeof(now), "%lld", (long long)env->now_ms);
	return state_set(env->store, TOLD, now);
}

/* Reports an unreadable event in its room if its sender may use commands (it may have been one),
 * at most once every TELL_PAUSE_MS. */
static enum err unread_tell(
        const struct command_env *env, struct undecrypted_row *row, const json_t *event)
{
	const struct room_event who = {
	        .sender = json_string_value(json_object_get(event, "sender")),
	        .power = row->power,
	};
	bool lately = true;
	enum err err;

	row->told_ms = env->now_ms;
	err = undecrypted_update(env->store, row);
	if (err == OK && who.sender && command_may(env->config, &who))
		err = told_lately(env, &lately);
	if (err != OK || lately)
		return err;
	return command_post(env, row->room, row->event_id, row->event_id,
	        "I cannot decrypt this: your client did not share the key. If it was a command, "
	        "send "
	        "it again.");
}

static enum err unread_try(const struct command_env *env, bool tell, unread_open_fn open, void *arg,
        struct undecrypted_row *row)
{
	json_t *event = json_loads(row->event, 0, NULL);
	enum err err = open(row, event, arg);

	if (err == OK) {
		err = undecrypted_delete(env->store, row->id);
	} else if (err == ERR_NOT_FOUND) {
		switch (unread_judge(row, env->now_ms)) {
		case UNREAD_WAIT:
			err = OK;
			break;
		case UNREAD_TELL:
			err = tell ? unread_tell(env, row, event) : OK;
			break;
		case UNREAD_GIVE_UP:
			err = undecrypted_delete(env->store, row->id);
			break;
		}
	}
	json_decref(event);
	return err;
}

/* What meets damaged data is given up, and stops none of the others. */
static enum err unread_try_alone(const struct command_env *env, bool tell, unread_open_fn open,
        void *arg, struct undecrypted_row *row)
{
	bool undone = false;
	enum err err = store_savepoint(env->store);

	if (err == OK)
		err = store_settle(env->store, unread_try(env, tell, open, arg, row), &undone);
	if (err == OK && undone) {
		log_error("commands", "giving up on %s, which was waiting for its key: %s",
		        row->event_id, store_message(env->store));
		err = undecrypted_delete(env->store, row->id);
	}
	return err;
}

enum err unread_retry(const struct command_env *env, bool tell, unread_open_fn open, void *arg)
{
	struct undecrypted_row *rows = NULL;
	size_t len = 0;
	enum err err = undecrypted_all(env->store, TRIED_MAX, &rows, &len);

	for (size_t i = 0; err == OK && i < len; i++)
		err = unread_try_alone(env, tell, open, arg, &rows[i]);
	undecrypted_rows_free(rows, len);
	return err;
}

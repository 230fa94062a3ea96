/*
 * unread.h - encrypted events whose keys are not here: kept, opened when keys come, told of in the
 * room after a minute, given up after a day. Inside jobs that may write.
 *
 * Anybody in a room can write what nobody can read, so that only so many are kept.
 */
#pragma once

#include "handlers/commands/commands.h"
#include "storage/undecrypted.h"

/* What becomes of an event that is kept and still cannot be opened. Pure. */
enum unread_next { UNREAD_WAIT, UNREAD_TELL, UNREAD_GIVE_UP };
enum unread_next unread_judge(const struct undecrypted_row *row, int64_t now_ms);

/* Keeps an event. room: "" = not in the config. OK too when it is kept already, or one too many. */
enum err unread_keep(const struct command_env *env, const char *room, const char *room_id,
        int64_t power, const json_t *event);

/* Opens a kept event and hands it on; ERR_NOT_FOUND: its key is still not here. */
typedef enum err (*unread_open_fn)(
        const struct undecrypted_row *row, const json_t *event, void *arg);
/* Tries what is kept, oldest first. tell: rooms are told of what stays unread. */
enum err unread_retry(const struct command_env *env, bool tell, unread_open_fn open, void *arg);

/*
 * unread.h - encrypted events whose keys are missing: they are stored, decrypted when the keys
 * arrive, reported in the room after a minute, and dropped after a day. Inside jobs that may write.
 *
 * Anybody in a room can send undecryptable events, so the number that is kept is limited.
 */
#pragma once

#include "handlers/commands/commands.h"
#include "storage/undecrypted.h"

/* What to do with a stored event that still cannot be decrypted. Pure. */
enum unread_next { UNREAD_WAIT, UNREAD_TELL, UNREAD_GIVE_UP };
enum unread_next unread_judge(const struct undecrypted_row *row, int64_t now_ms);

/* Stores an event. room: "" = not in the config. OK also when it is stored already or the limit
 * is reached. */
enum err unread_keep(const struct command_env *env, const char *room, const char *room_id,
        int64_t power, const json_t *event);

/* Decrypts a stored event and passes it on; ERR_NOT_FOUND: its key is still missing. */
typedef enum err (*unread_open_fn)(
        const struct undecrypted_row *row, const json_t *event, void *arg);
/* Tries the stored events, oldest first. tell: report those that stay unreadable in their room. */
enum err unread_retry(const struct command_env *env, bool tell, unread_open_fn open, void *arg);

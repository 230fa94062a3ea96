/*
 * rehome.c - moves events whose room is no longer in the config to the room of the current route
 * (deliver.h). An event that may have been sent is looked for in its old room before it is sent
 * elsewhere (send.c). A message that people have read stays in the old room, and later alerts start
 * a new one.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include "bot/base/log.h"
#include "handlers/alerts/deliver_message.h"
#include "handlers/alerts/group.h"
#include "handlers/alerts/route.h"

#define REHOME_MAX 200 /* messages read at once */

static char *rehome_names(const struct config *config)
{
	json_t *names = json_array();
	char *text;

	for (size_t i = 0; i < config->rooms_len; i++)
		json_array_append_new(names, json_string(config->rooms[i].name));
	text = json_dumps(names, JSON_COMPACT);
	json_decref(names);
	return text;
}

const char *deliver_room_now(const struct config *config, const char *room)
{
	return config_room(config, room) ? room : route_room(config, "", SEVERITY_CRITICAL);
}

static const char *rehome_room(const struct deliver *d, const struct message_row *message)
{
	return route_room(d->config, group_app(message->origin), (enum severity)message->severity);
}

static enum err rehome_message(const struct deliver *d, struct message_row *message)
{
	enum err err = messages_rehome(d->store, message->id, rehome_room(d, message));

	if (message->event_id && !message->closed_ms)
		message->closed_ms = d->now_ms;
	return err == OK ? deliver_message_store(d, message) : err;
}

static enum err rehome_messages(const struct deliver *d, const char *names)
{
	size_t len = REHOME_MAX;
	enum err err = OK;

	while (err == OK && len == REHOME_MAX) {
		struct message_row *rows = NULL;

		err = messages_stranded(d->store, names, REHOME_MAX, &rows, &len);
		for (size_t i = 0; i < len && err == OK; i++)
			err = rehome_message(d, &rows[i]);
		message_rows_free(rows, len);
	}
	return err;
}

/* Events other than alerts go to the room of critical alerts. */
static enum err rehome_event(const struct deliver *d, int64_t id)
{
	const char *room = route_room(d->config, "", SEVERITY_CRITICAL);
	struct message_row message = {0};
	struct outbox_row row = {0};
	enum err err = outbox_by_id(d->store, id, &row);

	if (err == OK && row.message_id)
		err = messages_find(d->store, row.message_id, &message);
	if (err == OK && message.id)
		room = rehome_room(d, &message);
	if (err == OK || err == ERR_DAMAGED)
		err = outbox_rehome(d->store, id, room);
	outbox_row_finish(&row);
	message_row_finish(&message);
	return err;
}

enum err deliver_rehome(const struct deliver *d, int64_t *count)
{
	char *names = rehome_names(d->config);
	int64_t id = 0;
	enum err err = rehome_messages(d, names);

	for (*count = 0; err == OK; ++*count) {
		err = outbox_stranded(d->store, names, id, &id);
		if (err == OK)
			err = rehome_event(d, id);
		if (err != OK)
			break;
	}
	free(names);
	if (*count > 0)
		log_warning("deliver",
		        "waiting for rooms that are not in [rooms] any more: %" PRId64
		        ", moved to where [route] sends such alerts now",
		        *count);
	return err == ERR_NOT_FOUND ? OK : err;
}

/*
 * rehome.c - see deliver.h: what waits for a room that the config does not name any more. Only what
 * was never tried moves: the rest may be in the room it was for.
 */
#include <jansson.h>
#include <stdlib.h>
#include "bot/base/log.h"
#include "handlers/alerts/deliver_message.h"
#include "handlers/alerts/group.h"
#include "handlers/alerts/route.h"

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

/* To where the route sends such alerts now; what is no alert goes where critical ones go. */
static enum err rehome_event(const struct deliver *d, const struct outbox_row *row)
{
	struct message_row message = {0};
	const char *room = route_room(d->config, "", SEVERITY_CRITICAL);
	enum err err = row->message_id ? messages_by_id(d->store, row->message_id, &message) : OK;

	if (err == OK && message.id) {
		room = route_room(
		        d->config, group_app(message.origin), (enum severity)message.severity);
		err = messages_rehome(d->store, message.id, room);
	}
	log_warning("deliver", "message %lld waited for %s, which is not in [rooms]: moved to %s",
	        (long long)row->id, row->room, room);
	if (err == OK)
		err = outbox_rehome(d->store, row->id, room);
	message_row_finish(&message);
	return err;
}

enum err deliver_rehome(const struct deliver *d, int64_t *count)
{
	char *names = rehome_names(d->config);
	enum err err = OK;

	for (*count = 0; err == OK; ++*count) {
		struct outbox_row row = {0};

		err = outbox_stranded(d->store, names, &row);
		if (err == OK)
			err = rehome_event(d, &row);
		outbox_row_finish(&row);
		if (err != OK)
			break;
	}
	free(names);
	return err == ERR_NOT_FOUND ? OK : err;
}

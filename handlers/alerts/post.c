/*
 * post.c - see deliver.h: an event of the bot's own words into the queue.
 */
#include <string.h>
#include "bot/base/alloc.h"
#include "handlers/alerts/deliver_message.h"

enum err deliver_post(const struct deliver *d, const char *room, enum outbox_purpose purpose,
        int64_t message_id, const char *type, const json_t *content, int64_t *outbox_id)
{
	struct outbox_row row = {
	        .purpose = purpose,
	        .room = (char *)room,
	        .message_id = message_id,
	        .type = (char *)type,
	        .created_ms = d->now_ms,
	};
	enum err err = outbox_name(d->store, &row);

	if (err == OK) {
		json_t *copy = json_deep_copy(content);
		json_t *data = json_object_get(copy, RENDER_KEY);

		/* a verification's events are hashed as they are by the other side */
		if (strncmp(type, "m.key.verification.", 19) != 0) {
			if (!json_is_object(data)) {
				data = json_object();
				json_object_set_new(copy, RENDER_KEY, data);
			}
			json_object_set_new(data, "txn_id", json_string(row.txn_id));
		}
		row.content = json_dumps(copy, JSON_COMPACT);
		json_decref(copy);
		err = outbox_insert(d->store, &row);
	}
	if (outbox_id)
		*outbox_id = row.id;
	free(row.content);
	free(row.txn_id);
	return err;
}

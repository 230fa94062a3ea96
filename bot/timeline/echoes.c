/*
 * echoes.c - see echoes.h.
 */
#include "bot/timeline/echoes.h"

#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"

#define ID_MAX_BYTES 255

void echo_finish(struct echo *echo)
{
	free(echo->event_id);
	free(echo->txn_id);
	*echo = (struct echo){0};
}

void echoes_finish(struct echoes *echoes)
{
	for (size_t i = 0; i < ECHOES_MAX; i++)
		echo_finish(&echoes->newest[i]);
}

void echoes_note(struct echoes *echoes, const json_t *raw)
{
	struct echo *echo = &echoes->newest[echoes->next % ECHOES_MAX];
	const char *event_id = json_string_value(json_object_get(raw, "event_id"));
	const char *txn_id = json_string_value(
	        json_object_get(json_object_get(raw, "unsigned"), "transaction_id"));

	if (!event_id || !txn_id || strlen(event_id) > ID_MAX_BYTES ||
	        strlen(txn_id) > ID_MAX_BYTES)
		return;
	echo_finish(echo);
	*echo = (struct echo){x_strdup(event_id), x_strdup(txn_id)};
	echoes->next++;
}

struct echo echoes_find(const struct echoes *echoes, const json_t *raw)
{
	const json_t *content = json_object_get(raw, "content");
	const json_t *relates = json_object_get(content, "m.relates_to");
	const json_t *targets[] = {json_object_get(relates, "event_id"),
	        json_object_get(json_object_get(relates, "m.in_reply_to"), "event_id"),
	        json_object_get(raw, "redacts"), json_object_get(content, "redacts")};

	for (size_t i = 0; i < ECHOES_MAX; i++) {
		const struct echo *echo = &echoes->newest[i];

		for (size_t j = 0; echo->event_id && j < sizeof(targets) / sizeof(targets[0]);
		        j++) {
			const char *target = json_string_value(targets[j]);

			if (target && strcmp(target, echo->event_id) == 0)
				return (struct echo){
				        x_strdup(echo->event_id), x_strdup(echo->txn_id)};
		}
	}
	return (struct echo){0};
}

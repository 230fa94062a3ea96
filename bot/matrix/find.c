/*
 * find.c - see find.h. One page of /messages after another, each a call that can be cancelled.
 */
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/matrix/find.h"

#define FIND_PAGE 100  /* events per page */
#define FIND_PAGES 200 /* at most 20,000 events since the first try */
#define FIND_TIMEOUT_MS 30000
/* The homeserver's clock may differ from ours by this much. */
#define FIND_SKEW_MS (10 * CLOCK_MINUTE_MS)

struct find {
	struct mx *mx;
	struct mx_call *call;
	char *room_id, *sender, *txn_id, *content_key, *ciphertext;
	int64_t since_ms;
	unsigned pages;
	find_done_fn done;
	void *arg;
};

static void find_page(struct find *find, const char *from);

static void find_end(struct find *find, enum err err, const char *event_id, const char *error)
{
	find_done_fn done = find->done;
	void *arg = find->arg;

	free(find->room_id);
	free(find->sender);
	free(find->txn_id);
	free(find->content_key);
	free(find->ciphertext);
	free(find);
	done(err, event_id, error, arg);
}

static bool find_same(const json_t *value, const char *wanted)
{
	const char *text = json_string_value(value);

	return wanted && text && strcmp(text, wanted) == 0;
}

static bool find_matches(const struct find *find, const json_t *event)
{
	const json_t *content = json_object_get(event, "content");
	const json_t *data = json_object_get(content, find->content_key);

	if (!find_same(json_object_get(event, "sender"), find->sender))
		return false;
	return find_same(json_object_get(json_object_get(event, "unsigned"), "transaction_id"),
	               find->txn_id) ||
	       find_same(json_object_get(data, "txn_id"), find->txn_id) ||
	       find_same(json_object_get(content, "ciphertext"), find->ciphertext);
}

static void on_page(const struct mx_answer *answer, void *arg)
{
	struct find *find = arg;
	const json_t *chunk = json_object_get(answer->body, "chunk");
	const char *end = json_string_value(json_object_get(answer->body, "end"));
	const json_t *event;
	bool past = json_array_size(chunk) > 0; /* all of the page is too old */
	size_t i;

	find->call = NULL;
	if (answer->code != OK) {
		find_end(find, answer->code, NULL, answer->error);
		return;
	}
	if (!json_is_array(chunk)) {
		find_end(find, ERR_PROTO, NULL, "the answer to /messages has no chunk");
		return;
	}
	json_array_foreach(chunk, i, event)
	{
		json_int_t ts = json_integer_value(json_object_get(event, "origin_server_ts"));
		const char *id = json_string_value(json_object_get(event, "event_id"));

		if (id && find_matches(find, event)) {
			/* the id belongs to the answer, which is freed after the callback */
			char *copy = x_strdup(id);
			find_end(find, OK, copy, NULL);
			free(copy);
			return;
		}
		/* one event proves nothing: any member's server can set its timestamp freely */
		if (ts >= find->since_ms - FIND_SKEW_MS)
			past = false;
	}
	if (past || !end) {
		find_end(find, OK, NULL, NULL);
		return;
	}
	if (++find->pages >= FIND_PAGES) {
		find_end(find, ERR_TOO_LARGE, NULL, "too many events since the first try");
		return;
	}
	find_page(find, end);
}

static void find_page(struct find *find, const char *from)
{
	char *path = from ? mx_path("/v3/rooms/%s/messages?dir=b&limit=%d&from=%s", find->room_id,
	                            (int64_t)FIND_PAGE, from)
	                  : mx_path("/v3/rooms/%s/messages?dir=b&limit=%d", find->room_id,
	                            (int64_t)FIND_PAGE);

	find->call = mx_start(find->mx, "GET", path, NULL, FIND_TIMEOUT_MS, on_page, find);
	free(path);
}

struct find *find_start(struct mx *mx, const struct find_what *what, find_done_fn done, void *arg)
{
	struct find *find = x_calloc(1, sizeof(*find));

	find->mx = mx;
	find->room_id = x_strdup(what->room_id);
	find->sender = x_strdup(what->sender);
	find->txn_id = x_strdup(what->txn_id);
	find->content_key = x_strdup(what->content_key);
	find->ciphertext = x_strdup_opt(what->ciphertext);
	find->since_ms = what->since_ms;
	find->done = done;
	find->arg = arg;
	find_page(find, NULL);
	return find;
}

void find_cancel(struct find *find)
{
	mx_cancel(find->call);
}

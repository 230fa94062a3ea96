/*
 * op_firing.c - op "firing": lists the firing alerts as data, each failure once.
 */
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/severity.h"
#include "bot/ops/ops_internal.h"
#include "handlers/alerts/entry_words.h"
#include "handlers/silences/silence.h"
#include "storage/messages.h"

#define FIRING_MAX 500
#define FIRING_BYTES_MAX (512 * 1024) /* limit for the answer's fields */
#define FIRING_MS (30 * CLOCK_DAY_MS) /* alerts that last fired earlier are left out */

struct op_firing {
	struct ops_read read;
	struct config *config; /* referenced */
	struct entry_row *rows;
	struct silence_hold *holds; /* what silences each of the rows now */
	size_t len;
	int64_t untold; /* alerts of storms that no row stands for */
};

static enum err firing_work(struct store *store, void *arg)
{
	struct op_firing *op = arg;
	struct deliver d = {.store = store, .config = op->config, .now_ms = clock_now_ms()};
	enum err err = entries_open(store, d.now_ms - FIRING_MS, FIRING_MAX, &op->rows, &op->len);

	if (err == OK)
		err = messages_count_untold(store, &op->untold);
	op->holds = x_calloc(op->len ? op->len : 1, sizeof(*op->holds));
	for (size_t i = 0; i < op->len && err == OK; i++)
		err = silence_find_entry(&d, &op->rows[i], &op->holds[i]);
	return err;
}

static json_t *firing_entry_json(
        const struct config *config, const struct entry_row *row, const struct silence_hold *hold)
{
	char *title = entry_title(config, row);
	json_t *json = json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:s?, s:s?, s:s?, s:o*}",
	        "fingerprint", row->fingerprint, "app", row->app, "kind", row->kind, "identity",
	        row->identity, "severity", severity_name((enum severity)row->severity), "count",
	        (json_int_t)row->count, "first_ms", (json_int_t)row->first_ms, "last_ms",
	        (json_int_t)row->last_ms, "url", row->url, "key", row->key, "acked_by",
	        row->acked_by, "fields", json_loads(row->fields, 0, NULL));

	json_object_set_new(json, "entry", json_integer(row->id));
	json_object_set_new(json, "title", json_string(title));
	json_object_set_new(json, "run_ids", json_loads(row->run_ids, 0, NULL));
	if (row->acked_by && row->ack_note)
		json_object_set_new(json, "note", json_string(row->ack_note));
	if (hold->silence)
		json_object_set_new(json, "silence", json_integer(hold->silence));
	if (hold->quiet)
		json_object_set_new(json, "quiet", json_string(hold->quiet->name));
	free(title);
	return json;
}

static json_t *firing_json(const struct op_firing *op)
{
	json_t *list = json_array();
	size_t bytes = 0;

	for (size_t i = 0; i < op->len && bytes < FIRING_BYTES_MAX; i++) {
		bytes += strlen(op->rows[i].fields);
		json_array_append_new(
		        list, firing_entry_json(op->config, &op->rows[i], &op->holds[i]));
	}
	return list;
}

static void firing_done(enum err result, const char *message, void *arg)
{
	struct op_firing *op = arg;

	if (result != OK)
		ops_reply_failure(op->read.reply, result, message);
	else
		reply_ok(op->read.reply, json_pack("{s:o, s:I}", "alerts", firing_json(op),
		                                 "untold", (json_int_t)op->untold));
	entry_rows_free(op->rows, op->len);
	free(op->holds);
	config_unref(op->config);
	free(op);
}

void op_firing(
        struct ops *ops, const json_t *request, const struct alert_peer *peer, struct reply *reply)
{
	struct op_firing *op = x_calloc(1, sizeof(*op));

	op->config = config_ref(ops->config);
	op->read = (struct ops_read){
	        .reply = reply, .work = firing_work, .done = firing_done, .arg = op};
	ops_read(ops, &op->read);
}

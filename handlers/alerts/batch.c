/*
 * batch.c - see batch.h.
 */
#include "handlers/alerts/batch.h"

#include <inttypes.h>
#include <search.h>
#include <stdio.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "handlers/alerts/deliver_message.h"
#include "handlers/alerts/group.h"

/* One lookup and its result. A message is found by several keys; the node "#ID" owns it. */
struct batch_node {
	char *key;
	struct batch_message *message; /* NULL = not found */
	struct batch_entry *entry;     /* NULL = not found */
};

struct deliver_batch {
	void *nodes; /* tsearch() tree by key */
	bool counted, looked;
	int64_t opened; /* valid when counted */
	bool held;      /* valid when looked */
	enum err err;   /* while storing */
	const struct deliver *d;
};

static int batch_compare(const void *a, const void *b)
{
	return strcmp(((const struct batch_node *)a)->key, ((const struct batch_node *)b)->key);
}

/* The node of a key; takes the key. *fresh: the key was not looked up before. */
static struct batch_node *batch_node(struct deliver_batch *batch, char *key, bool *fresh)
{
	struct batch_node named = {.key = key}, **place;

	place = tsearch(&named, &batch->nodes, batch_compare);
	if (!place)
		abort(); /* out of memory */
	*fresh = *place == &named;
	if (*fresh) {
		*place = x_calloc(1, sizeof(**place));
		(*place)->key = key;
	} else {
		free(key);
	}
	return *place;
}

static void batch_node_free(void *arg)
{
	struct batch_node *node = arg;

	if (node->message && node->key[0] == '#') /* only this node owns the message */
		message_row_finish(&node->message->row);
	if (node->message && node->key[0] == '#')
		free(node->message);
	if (node->entry)
		entry_row_finish(&node->entry->row);
	free(node->entry);
	free(node->key);
	free(node);
}

static void batch_forget(struct deliver_batch *batch)
{
	tdestroy(batch->nodes, batch_node_free);
	*batch = (struct deliver_batch){0};
}

struct deliver_batch *batch_create(void)
{
	return x_calloc(1, sizeof(struct deliver_batch));
}

void batch_destroy(struct deliver_batch *batch)
{
	if (!batch)
		return;
	batch_forget(batch);
	free(batch);
}

/* Turns a row that was read into the batch's only copy of that message; takes the row. */
static enum err batch_keep(struct deliver_batch *batch, enum err err, struct message_row *row,
        struct batch_message **message)
{
	struct batch_node *node;
	bool fresh;

	*message = NULL;
	if (err != OK)
		return err == ERR_NOT_FOUND ? OK : err;
	node = batch_node(batch, x_asprintf("#%" PRId64, row->id), &fresh);
	if (fresh) {
		node->message = x_calloc(1, sizeof(*node->message));
		node->message->row = *row;
	} else {
		message_row_finish(row);
	}
	*message = node->message;
	return OK;
}

enum err batch_open(const struct deliver *d, const char *room, const char *origin,
        struct batch_message **message)
{
	struct message_row row = {0};
	struct batch_node *node;
	enum err err = OK;
	bool fresh;

	node = batch_node(d->batch, x_asprintf("o%s\n%s", room, origin), &fresh);
	if (fresh)
		err = batch_keep(d->batch, messages_open(d->store, room, origin, &row), &row,
		        &node->message);
	*message = node->message;
	return err;
}

enum err batch_open_with(
        const struct deliver *d, const char *room, const char *app, struct batch_message **message)
{
	struct message_row row = {0};
	struct batch_node *node;
	enum err err = batch_open(d, room, DELIVER_COLLECTED, message);
	bool fresh;

	if (err != OK || !*message)
		return err;
	node = batch_node(d->batch, x_asprintf("w%s\n%s", room, app), &fresh);
	if (fresh)
		err = batch_keep(d->batch,
		        messages_open_with(d->store, room, DELIVER_COLLECTED, app, &row), &row,
		        &node->message);
	*message = node->message;
	return err;
}

enum err batch_entry(const struct deliver *d, const struct batch_message *message,
        const char *fingerprint, struct batch_entry **entry)
{
	struct entry_row row = {0};
	struct batch_node *node;
	enum err err = OK;
	bool fresh;

	node = batch_node(
	        d->batch, x_asprintf("e%" PRId64 "\n%s", message->row.id, fingerprint), &fresh);
	if (!node->entry) /* an entry may have been added since the lookup */
		err = entries_by_fingerprint(d->store, message->row.id, fingerprint, &row);
	if (!node->entry && err == OK) {
		node->entry = x_calloc(1, sizeof(*node->entry));
		node->entry->row = row;
	}
	*entry = node->entry;
	return err == ERR_NOT_FOUND ? OK : err;
}

enum err batch_count_opened(const struct deliver *d, int64_t *count)
{
	struct deliver_batch *batch = d->batch;
	enum err err = OK;

	if (!batch->counted)
		err = messages_count_opened(d->store, d->now_ms - CLOCK_MINUTE_MS,
		        d->now_ms + GROUP_SKEW_MS, &batch->opened);
	batch->counted = err == OK;
	*count = batch->opened;
	return err;
}

enum err batch_holds(const struct deliver *d, bool *any)
{
	struct deliver_batch *batch = d->batch;
	enum err err = OK;

	if (!batch->looked)
		err = alerts_any_held(d->store, &batch->held);
	batch->looked = err == OK;
	*any = batch->held;
	return err;
}

void batch_note_held(const struct deliver *d)
{
	d->batch->held = true;
}

static void batch_store_node(const void *arg, VISIT visit, void *closure)
{
	const struct batch_node *node = *(struct batch_node *const *)arg;
	struct deliver_batch *batch = closure;
	const struct deliver *d = batch->d;

	if (visit != postorder && visit != leaf)
		return;
	if (batch->err == OK && node->entry && node->entry->changed)
		batch->err = entries_update(d->store, &node->entry->row);
	if (batch->err == OK && node->message && node->message->changed) {
		node->message->changed = false;
		batch->err = deliver_message_store(d, &node->message->row);
	}
}

enum err batch_store(const struct deliver *d)
{
	struct deliver_batch *batch = d->batch;
	enum err err;

	if (!batch)
		return OK;
	batch->d = d;
	twalk_r(batch->nodes, batch_store_node, batch);
	err = batch->err;
	batch_forget(batch);
	return err;
}

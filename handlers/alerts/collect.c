/*
 * collect.c - puts everything that waits in a room into one message while the homeserver limits the
 * rate (pace.h, deliver_message.h), and what waits for an edit of a redacted message into another.
 *
 * Collected are messages in the queue that are not frozen, and entries that joined a message in the
 * room but are in no event yet. They keep their texts. Criticals are moved first; what does not fit
 * stays where it was. The resulting message has the origin DELIVER_COLLECTED; further alerts of the
 * apps in it join it until its throttle time is over (join.c).
 */
#include <stdlib.h>
#include "bot/base/alloc.h"
#include "handlers/alerts/deliver_message.h"
#include "handlers/alerts/group.h"
#include "handlers/alerts/render.h"
#include "storage/alerts.h"

#define COLLECT_MAX 200 /* messages read */
#define COLLECT_REASON "collected: the homeserver limits the rate"
#define COLLECT_ANEW "new message: the one before was redacted"

struct collect {
	const struct deliver *d;
	const char *room;
	struct message_row *queued, *dirty;
	size_t queued_len, dirty_len;
	struct entry_row **untold; /* the entries of each dirty message that are in no event yet */
	size_t *untold_len, untold_messages;
	struct message_row *target; /* one of queued, or own */
	struct message_row own;
	const char *reason;
	bool any;
};

static void collect_finish(struct collect *c)
{
	for (size_t i = 0; i < c->dirty_len; i++)
		entry_rows_free(c->untold[i], c->untold_len[i]);
	message_rows_free(c->queued, c->queued_len);
	message_rows_free(c->dirty, c->dirty_len);
	free(c->untold);
	free(c->untold_len);
	message_row_finish(&c->own);
}

static enum err collect_load(struct collect *c)
{
	struct store *store = c->d->store;
	enum err err = messages_queued(store, c->room, COLLECT_MAX, &c->queued, &c->queued_len);

	if (err == OK)
		err = messages_edits(store, c->room, COLLECT_MAX, &c->dirty, &c->dirty_len);
	c->untold = x_calloc(c->dirty_len + 1, sizeof(void *));
	c->untold_len = x_calloc(c->dirty_len + 1, sizeof(*c->untold_len));
	for (size_t i = 0; i < c->dirty_len && err == OK; i++) {
		if (c->dirty[i].kind != MESSAGE_ALERTS)
			continue;
		err = entries_untold(store, c->dirty[i].id, &c->untold[i], &c->untold_len[i]);
		c->untold_messages += c->untold_len[i] > 0;
	}
	return err;
}

/* --- where it goes ------------------------------------------------------------------------ */

static void collect_name(struct message_row *message)
{
	free(message->origin);
	message->origin = x_strdup(DELIVER_COLLECTED);
}

static bool collect_is_test(const struct entry_row *entries, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (entries[i].test)
			return true;
	return false;
}

/* Takes the oldest message in the queue that is not a test as the target, if there is one. */
static enum err collect_first(struct collect *c)
{
	enum err err = OK;

	for (size_t i = 0; i < c->queued_len && err == OK; i++) {
		struct entry_row *entries = NULL;
		size_t len = 0;

		if (c->queued[i].kind != MESSAGE_ALERTS ||
		        (c->target && c->target->id < c->queued[i].id))
			continue;
		err = entries_of(c->d->store, c->queued[i].id, &entries, &len);
		if (err == OK && !collect_is_test(entries, len))
			c->target = &c->queued[i];
		entry_rows_free(entries, len);
	}
	return err;
}

/* Takes the collected message that is in the room as the target, or opens a new one, instead of
 * editing several messages. */
static enum err collect_open(struct collect *c)
{
	struct group_policy policy = group_policy(c->d->config, DELIVER_COLLECTED);
	enum err err = messages_open(c->d->store, c->room, DELIVER_COLLECTED, &c->own);
	bool ring;

	c->target = &c->own;
	if (err == OK && c->own.event_id && !group_over(&policy, &c->own, c->d->now_ms, &ring))
		return OK;
	message_row_finish(&c->own);
	c->own = (struct message_row){
	        .kind = MESSAGE_ALERTS,
	        .room = x_strdup(c->room),
	        .origin = x_strdup(DELIVER_COLLECTED),
	};
	return err == OK || err == ERR_NOT_FOUND ? deliver_message_open(c->d, &c->own) : err;
}

/* --- moving ------------------------------------------------------------------------------- */

/* *moved: it fitted into the target. */
static enum err collect_entry(
        struct collect *c, struct message_row *from, const struct entry_row *entry, bool *moved)
{
	struct message_row *target = c->target;
	int64_t size = render_entry_size(entry, 0);
	bool critical = entry->severity == SEVERITY_CRITICAL;
	enum err err;

	*moved = false;
	if (target->bytes + size > DELIVER_BUDGET)
		return OK;
	err = entries_move(c->d->store, entry->id, target->id,
	        target->frozen_ms && critical ? c->d->now_ms : 0);
	if (err == ERR_NOT_FOUND)
		return OK;
	if (err == OK)
		err = alerts_move(c->d->store, from->id, entry->fingerprint, target->id, c->reason);
	*moved = c->any = true;
	target->bytes += size;
	target->alerts += entry->count;
	from->bytes -= size;
	from->alerts -= entry->count;
	if (critical && target->rings_for == from->id && target->rings > 0)
		target->rings--; /* read here, it need not be announced */
	else if (critical && from->silent > 0)
		from->silent--;
	if (!target->frozen_ms) {
		if (entry->severity > target->severity)
			target->severity = entry->severity;
		return err;
	}
	target->silent += critical;
	if (!target->dirty_ms)
		target->dirty_ms = c->d->now_ms;
	return err;
}

/* Moves the count of failures that this message announces for an older message. */
static void collect_rings(struct message_row *target, const struct message_row *from)
{
	if (!target->rings_for)
		target->rings_for = from->rings_for;
	target->rings += from->rings;
}

/* Deletes a message that has no entries left. */
static enum err collect_remove(struct collect *c, const struct message_row *from)
{
	enum err err = alerts_move(c->d->store, from->id, NULL, c->target->id, c->reason);

	return err == OK ? deliver_message_remove(c->d, from->id) : err;
}

static enum err collect_message(struct collect *c, struct message_row *from)
{
	struct entry_row *entries = NULL;
	size_t len = 0, left = 0;
	enum err err = entries_of(c->d->store, from->id, &entries, &len);
	bool moved;

	if (err == OK && !collect_is_test(entries, len)) {
		for (size_t i = 0; i < len && err == OK; i++) {
			err = collect_entry(c, from, &entries[i], &moved);
			left += !moved;
		}
		if (err == OK && left == 0) {
			collect_rings(c->target, from);
			err = collect_remove(c, from);
		} else if (err == OK) {
			err = deliver_message_store(c->d, from);
		}
	}
	entry_rows_free(entries, len);
	return err;
}

static enum err collect_untold(struct collect *c, size_t index)
{
	struct message_row *from = &c->dirty[index];
	int64_t left = 0;
	enum err err = OK;
	bool moved;

	if (collect_is_test(c->untold[index], c->untold_len[index]))
		return OK;
	for (size_t i = 0; i < c->untold_len[index] && err == OK; i++)
		err = collect_entry(c, from, &c->untold[index][i], &moved);
	if (err == OK)
		err = alerts_count_untold(c->d->store, from->id, &left);
	if (left == 0 && !from->urgent)
		from->dirty_ms = 0;
	return err == OK ? deliver_message_store(c->d, from) : err;
}

enum err deliver_collect(const struct deliver *d, const char *room)
{
	struct collect c = {.d = d, .room = room, .reason = COLLECT_REASON};
	enum err err = collect_load(&c);

	if (err != OK || c.queued_len + c.untold_messages < 2)
		goto out;
	err = collect_first(&c);
	if (err == OK && !c.target && c.untold_messages >= 2)
		err = collect_open(&c);
	if (err != OK || !c.target)
		goto out;
	for (size_t i = 0; i < c.queued_len && err == OK; i++)
		if (&c.queued[i] != c.target && c.queued[i].kind != MESSAGE_RING)
			err = collect_message(&c, &c.queued[i]);
	for (size_t i = 0; i < c.dirty_len && err == OK; i++)
		if (c.untold_len[i] > 0 && c.dirty[i].id != c.target->id)
			err = collect_untold(&c, i);
	if (c.any && c.target != &c.own) {
		collect_name(c.target);
		c.target->closed_ms = 0;
	}
	if (err == OK && c.any)
		err = deliver_message_store(d, c.target);
out:
	collect_finish(&c);
	return err;
}

enum err deliver_tell_anew(const struct deliver *d, struct message_row *from)
{
	struct collect c = {.d = d, .room = from->room, .reason = COLLECT_ANEW, .target = &c.own};
	struct entry_row *entries = NULL;
	size_t len = 0;
	bool moved;
	enum err err = entries_untold(d->store, from->id, &entries, &len);

	if (err == OK && len > 0) {
		c.own = (struct message_row){
		        .kind = from->kind == MESSAGE_STORM ? MESSAGE_STORM : MESSAGE_ALERTS,
		        .room = x_strdup(from->room),
		        .origin = x_strdup(from->origin),
		};
		err = deliver_message_open(d, &c.own);
	}
	for (size_t i = 0; i < len && err == OK; i++)
		err = collect_entry(&c, from, &entries[i], &moved);
	if (err == OK && len > 0)
		err = deliver_message_store(d, &c.own);
	entry_rows_free(entries, len);
	collect_finish(&c);
	return err;
}

/*
 * store_fixture.h - a database in a folder of its own for a test, and rows to put into it.
 * Include it after cmocka.h.
 */
#pragma once

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "storage/alerts.h"
#include "storage/calls.h"
#include "storage/messages.h"
#include "storage/outbox.h"
#include "storage/state.h"
#include "storage/store.h"

/* A literal as a string that a row will only lend. */
#define LENT(text) ((char *)(text))

struct fixture {
	char folder[64];
	char path[128];
	struct store *store; /* open for writing, or NULL */
};

static inline void fixture_open(struct fixture *f)
{
	struct fault fault = {0};

	if (store_open(&f->store, f->path, &fault) != OK)
		fail_msg("store_open: %s", fault.text);
}

static inline int fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	strcpy(f->folder, "/tmp/test-store.XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->path, sizeof(f->path), "%s/operations.db", f->folder);
	fixture_open(f);
	*state = f;
	return 0;
}

static inline int fixture_teardown(void **state)
{
	struct fixture *f = *state;
	DIR *dir;
	struct dirent *entry;

	store_close(f->store);
	dir = opendir(f->folder);
	assert_non_null(dir);
	while ((entry = readdir(dir)))
		unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
	assert_int_equal(rmdir(f->folder), 0);
	free(f);
	return 0;
}

static inline struct alert_row fixture_alert(void)
{
	return (struct alert_row){
	        .app = LENT("data_factory"),
	        .kind = LENT("node_failed"),
	        .severity = 2,
	        .subject = LENT("5b"),
	        .fingerprint = LENT("f1"),
	        .identity = LENT("etl_users"),
	        .fields = LENT("{}"),
	        .at_ms = 1000,
	        .received_ms = 2000,
	        .uid = 1,
	        .gid = 2,
	        .pid = 3,
	        .reason = LENT("new message"),
	};
}

static inline struct message_row fixture_message(const char *room)
{
	return (struct message_row){
	        .kind = MESSAGE_ALERTS,
	        .room = LENT(room),
	        .origin = LENT("data_factory"),
	        .severity = 2,
	        .opened_ms = 2000,
	};
}

static inline struct entry_row fixture_entry(int64_t message_id, const char *fingerprint)
{
	return (struct entry_row){
	        .message_id = message_id,
	        .fingerprint = LENT(fingerprint),
	        .subject = LENT("5b"),
	        .app = LENT("data_factory"),
	        .kind = LENT("node_failed"),
	        .identity = LENT("etl_users"),
	        .severity = 2,
	        .count = 1,
	        .run_ids = LENT("[]"),
	        .fields = LENT("{}"),
	};
}

/* Inserts an event; returns its id. */
static inline int64_t fixture_event(struct store *store, const char *room, int64_t message_id)
{
	struct outbox_row row = {
	        .purpose = message_id != 0 ? OUTBOX_NEW : OUTBOX_NOTE,
	        .room = LENT(room),
	        .message_id = message_id,
	        .type = LENT("m.room.message"),
	        .content = message_id != 0 ? NULL : LENT("{}"),
	        .created_ms = 2000,
	};

	assert_int_equal(outbox_insert(store, &row), OK);
	free(row.txn_id);
	return row.id;
}

/* Moves an event to another state. */
static inline void fixture_event_state(struct store *store, int64_t id, enum outbox_state to)
{
	struct outbox_row row;

	assert_int_equal(outbox_by_id(store, id, &row), OK);
	row.state = to;
	if (to == OUTBOX_FROZEN && !row.room_id)
		row.room_id = strdup("!room");
	assert_int_equal(outbox_update(store, &row), OK);
	outbox_row_finish(&row);
}

/* fixture_setup() with an open transaction. */
static inline int fixture_setup_begin(void **state)
{
	fixture_setup(state);
	assert_int_equal(store_begin(((struct fixture *)*state)->store), OK);
	return 0;
}

static inline struct store *fixture_store(void **state)
{
	return ((struct fixture *)*state)->store;
}

/*
 * test_deliver_encrypted.c - what leaves for rooms that are, become or were encrypted: never plain
 * text, and nothing twice.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include "bot/base/clock.h"
#include "storage/known_rooms.h"
#include "tests/unit/handlers_fixture.h"

#define ALERT                                                                                  \
	"{\"app\":\"etl\",\"kind\":\"node_failed\",\"run_id\":\"%s\",\"fields\":{\"node_id\":" \
	"\"%s\",\"duration_ms\":1,\"error\":\"no\"}}"

/* "Encrypts" by naming the room, the count, and the text. */
struct cipher {
	bool ready;
	int count;
};

static enum err cipher_ready(
        void *arg, const struct deliver_room *room, int64_t now_ms, bool *ready)
{
	*ready = ((struct cipher *)arg)->ready;
	return OK;
}

static enum err cipher_encrypt(void *arg, const struct deliver_room *room, int64_t now_ms,
        const char *type, const char *content, char **wire)
{
	struct cipher *cipher = arg;

	assert_true(room->encrypted);
	*wire = x_asprintf("{\"ciphertext\":\"%s %d\"}", room->room_id, ++cipher->count);
	return OK;
}

static const char *const users[] = {"@op:x"};
static const struct deliver_room plain = {.name = "ops", .room_id = "!a:x", .device_id = "DEV"};
static const struct deliver_room secret = {.name = "ops",
        .room_id = "!a:x",
        .device_id = "DEV",
        .encrypted = true,
        .users = users,
        .users_len = 1};
static const struct deliver_room other = {.name = "ops", .room_id = "!b:x", .device_id = "DEV"};
static struct deliver deliver_of(struct world *w, struct cipher *cipher)
{
	static struct deliver_cipher calls;

	calls = (struct deliver_cipher){cipher_ready, cipher_encrypt, cipher};
	return (struct deliver){
	        .store = w->store, .config = w->config, .now_ms = w->now_ms, .cipher = &calls};
}

/* Chooses; the event is the caller's. */
static struct deliver_event next(
        struct world *w, struct cipher *cipher, const struct deliver_room *room)
{
	struct deliver d = deliver_of(w, cipher);
	struct deliver_event event = {0};

	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(deliver_next(&d, room, 1, &event, &w->due_ms), OK);
	assert_int_equal(store_commit(w->store), OK);
	return event;
}

static void finish(struct world *w, const struct deliver_event *event,
        const struct deliver_room *room, enum deliver_outcome outcome)
{
	struct deliver d = deliver_of(w, NULL);
	struct deliver_result result = {
	        .outbox_id = event->outbox_id,
	        .room = "ops",
	        .room_id = event->room_id,
	        .device_id = room->device_id,
	        .outcome = outcome,
	        .what = event->what,
	        .event_id = outcome == DELIVER_SENT ? "$e" : NULL,
	        .started_ms = w->now_ms,
	        .code = outcome == DELIVER_SENT ? OK : ERR_NET,
	};

	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(deliver_finish(&d, &result), OK);
	assert_int_equal(store_commit(w->store), OK);
}

/* What the link stores when it learns it. */
static void remember(struct world *w, const char *room_id)
{
	struct room_row row = {.room_id = (char *)room_id, .encrypted = 1};

	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(rooms_put(w->store, &row), OK);
	assert_int_equal(store_commit(w->store), OK);
}

static bool is_wire(const struct deliver_event *event)
{
	return event->type && strcmp(event->type, "m.room.encrypted") == 0 &&
	       strncmp(event->content, "{\"ciphertext\":\"!a:x ", 20) == 0;
}

static void a_retry_sends_the_same_ciphertext(void **state)
{
	struct world *w = world_create("");
	struct cipher cipher = {.ready = false};
	struct deliver_event first, again;

	world_alert(w, ALERT, "r1", "n");
	first = next(w, &cipher, &secret);
	assert_true(first.waits && first.outbox_id == 0); /* not without keys */
	cipher.ready = true;
	first = next(w, &cipher, &secret);
	assert_true(is_wire(&first));
	finish(w, &first, &secret, DELIVER_RETRY);
	cipher.ready = false; /* what was encrypted needs no keys any more */
	again = next(w, &cipher, &secret);
	assert_string_equal(again.content, first.content);
	assert_string_equal(again.txn_id, first.txn_id);
	assert_int_equal(cipher.count, 1);
	deliver_event_finish(&first);
	deliver_event_finish(&again);
	world_destroy(w);
}

/* Encryption was switched on while the fate of a plain event was open. */
static void what_may_be_there_in_the_clear_is_looked_for_then_encrypted(void **state)
{
	struct world *w = world_create("");
	struct cipher cipher = {.ready = true};
	struct deliver_event event;
	char *content;

	world_alert(w, ALERT, "r1", "n");
	event = next(w, &cipher, &plain);
	assert_string_equal(event.type, "m.room.message");
	finish(w, &event, &plain, DELIVER_RETRY);
	deliver_event_finish(&event);
	remember(w, "!a:x");
	event = next(w, &cipher, &plain); /* the loop has not heard of it yet */
	assert_true(event.waits && event.outbox_id == 0);
	event = next(w, &cipher, &secret);
	assert_true(is_wire(&event) && event.look_first);
	content = x_strdup(event.content);
	deliver_event_finish(&event);
	event = next(w, &cipher, &secret); /* killed before it was looked for */
	assert_true(event.look_first);
	assert_string_equal(event.content, content);
	finish(w, &event, &secret, DELIVER_ABSENT);
	deliver_event_finish(&event);
	event = next(w, &cipher, &secret);
	assert_false(event.look_first);
	assert_string_equal(event.content, content);
	assert_int_equal(cipher.count, 1);
	free(content);
	deliver_event_finish(&event);
	world_destroy(w);
}

/* The event may be in a room that is encrypted by now, and the config names another one: it is
 * looked for there, and not sent there any more. */
static void what_was_for_a_room_that_was_left_is_looked_for_then_said_here(void **state)
{
	struct world *w = world_create("");
	struct cipher cipher = {.ready = true};
	struct deliver_event event;
	char *txn_id;

	world_alert(w, ALERT, "r1", "n");
	event = next(w, &cipher, &plain);
	txn_id = x_strdup(event.txn_id);
	finish(w, &event, &plain, DELIVER_RETRY);
	deliver_event_finish(&event);
	remember(w, "!a:x");
	for (int i = 0; i < 2; i++) { /* killed before it was looked for */
		event = next(w, &cipher, &other);
		assert_true(event.look_first);
		assert_string_equal(event.room_id, "!a:x");
		assert_string_equal(event.txn_id, txn_id);
		if (i == 0)
			deliver_event_finish(&event);
	}
	finish(w, &event, &other, DELIVER_ABSENT);
	deliver_event_finish(&event);
	event = next(w, &cipher, &other);
	assert_true(event.again);
	deliver_event_finish(&event);
	event = next(w, &cipher, &other);
	assert_false(event.look_first);
	assert_string_equal(event.room_id, "!b:x");
	assert_string_equal(event.what, "send");
	assert_int_equal(cipher.count, 0);
	deliver_event_finish(&event);
	free(txn_id);
	world_destroy(w);
}

/* An edit belongs into an encrypted room that the config does not name any more. */
static void an_edit_for_a_room_that_was_left_is_said_anew(void **state)
{
	struct world *w = world_create("");
	struct cipher cipher = {.ready = true};
	struct deliver_event event;

	remember(w, "!a:x");
	world_alert(w, ALERT, "r1", "n");
	event = next(w, &cipher, &secret);
	assert_true(is_wire(&event));
	finish(w, &event, &secret, DELIVER_SENT);
	deliver_event_finish(&event);
	world_alert(w, ALERT, "r2", "n");
	w->now_ms += 2000;
	event = next(w, &cipher, &other);
	assert_int_not_equal(event.outbox_id, 0);
	assert_string_equal(event.room_id, "!b:x"); /* never as plain text into !a:x */
	assert_string_equal(event.what, "send");
	assert_non_null(strstr(event.content, "2 runs: r2 r1"));
	finish(w, &event, &other, DELIVER_SENT);
	deliver_event_finish(&event);
	world_alert(w, ALERT, "r3", "n");
	w->now_ms += 2000;
	event = next(w, &cipher, &other);
	assert_string_equal(event.what, "edit");
	assert_string_equal(event.room_id, "!b:x");
	deliver_event_finish(&event);
	world_destroy(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_retry_sends_the_same_ciphertext),
	        cmocka_unit_test(what_may_be_there_in_the_clear_is_looked_for_then_encrypted),
	        cmocka_unit_test(what_was_for_a_room_that_was_left_is_looked_for_then_said_here),
	        cmocka_unit_test(an_edit_for_a_room_that_was_left_is_said_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

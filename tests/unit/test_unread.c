/*
 * test_unread.c - events that cannot be decrypted: kept, tried, told of, given up; and in what
 * words members who cannot read are named.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "bot/base/clock.h"
#include "handlers/commands/report_readers.h"
#include "handlers/commands/unread.h"
#include "tests/unit/handlers_fixture.h"

#define OPERATOR "[commands]\nusers = @op:x\n"

/* Opens nothing until `opens` is set; counts the tries. */
struct opener {
	bool opens;
	const char *damaged; /* the event whose data are damaged */
	int tries;
};

static enum err open_event(const struct undecrypted_row *row, const json_t *event, void *arg)
{
	struct opener *opener = arg;

	assert_non_null(json_object_get(event, "event_id"));
	opener->tries++;
	if (opener->damaged && strcmp(row->event_id, opener->damaged) == 0)
		return ERR_DAMAGED;
	return opener->opens ? OK : ERR_NOT_FOUND;
}

static void keep(struct world *w, const char *room, const char *event_id)
{
	struct command_env env = {.store = w->store, .config = w->config, .now_ms = w->now_ms};
	json_t *event = json_pack("{s:s, s:s}", "event_id", event_id, "sender", "@op:x");

	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(unread_keep(&env, room, "!ops:x", 0, event), OK);
	assert_int_equal(store_commit(w->store), OK);
	json_decref(event);
}

static void retry(struct world *w, struct opener *opener)
{
	struct command_env env = {.store = w->store, .config = w->config, .now_ms = w->now_ms};

	opener->tries = 0;
	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(unread_retry(&env, true, open_event, opener), OK);
	assert_int_equal(store_commit(w->store), OK);
}

static int64_t kept(struct world *w)
{
	int64_t count;

	assert_int_equal(undecrypted_count(w->store, &count), OK);
	return count;
}

static int64_t answers(struct world *w)
{
	int64_t waiting, undeliverable, oldest_ms;

	assert_int_equal(outbox_counts(w->store, &waiting, &undeliverable, &oldest_ms), OK);
	return waiting;
}

static void is_opened_when_its_key_comes(void **state)
{
	struct world *w = world_create(OPERATOR);
	struct opener opener = {0};

	keep(w, "ops", "$a");
	keep(w, "ops", "$a"); /* as after a crash */
	assert_int_equal(kept(w), 1);
	retry(w, &opener);
	assert_int_equal(opener.tries, 1);
	assert_int_equal(kept(w), 1);
	opener.opens = true;
	retry(w, &opener);
	assert_int_equal(kept(w), 0);
	assert_int_equal(answers(w), 0);
	world_destroy(w);
}

static void is_told_of_once_and_given_up_after_a_day(void **state)
{
	struct world *w = world_create(OPERATOR);
	struct opener opener = {0};

	keep(w, "ops", "$a");
	keep(w, "ops", "$b");
	keep(w, "", "$chat"); /* in a room that is not in the config: nobody is told */
	w->now_ms += CLOCK_MINUTE_MS;
	retry(w, &opener);
	assert_int_equal(answers(w), 0);
	w->now_ms++;
	retry(w, &opener);
	assert_int_equal(answers(w), 1); /* two at once are one line */
	retry(w, &opener);
	assert_int_equal(answers(w), 1);
	w->now_ms += CLOCK_DAY_MS;
	retry(w, &opener);
	assert_int_equal(kept(w), 0);
	world_destroy(w);
}

static void what_meets_damaged_data_is_given_up_alone(void **state)
{
	struct world *w = world_create(OPERATOR);
	struct opener opener = {.damaged = "$a"};

	keep(w, "ops", "$a");
	keep(w, "ops", "$b");
	retry(w, &opener);
	assert_int_equal(opener.tries, 2);
	assert_int_equal(kept(w), 1);
	opener.opens = true;
	retry(w, &opener);
	assert_int_equal(opener.tries, 1);
	assert_int_equal(kept(w), 0);
	world_destroy(w);
}

static void strangers_fill_nothing(void **state)
{
	struct world *w = world_create("");
	char id[16];

	for (int i = 0; i < 40; i++) {
		snprintf(id, sizeof(id), "$s%d", i);
		keep(w, "", id);
	}
	assert_int_equal(kept(w), 25);
	keep(w, "ops", "$ours");
	assert_int_equal(kept(w), 26);
	world_destroy(w);
}

static void what_becomes_of_it(void **state)
{
	static const struct {
		int64_t age_ms, told_ms;
		const char *room;
		enum unread_next next;
	} all[] = {
	        {0, 0, "ops", UNREAD_WAIT}, {CLOCK_MINUTE_MS, 0, "ops", UNREAD_WAIT},
	        {CLOCK_MINUTE_MS + 1, 0, "ops", UNREAD_TELL},
	        {CLOCK_MINUTE_MS + 1, 5, "ops", UNREAD_WAIT},
	        {CLOCK_MINUTE_MS + 1, 0, "", UNREAD_WAIT}, {CLOCK_DAY_MS, 5, "ops", UNREAD_WAIT},
	        {CLOCK_DAY_MS + 1, 5, "ops", UNREAD_GIVE_UP},
	        {CLOCK_DAY_MS + 1, 0, "", UNREAD_GIVE_UP},
	        {-CLOCK_DAY_MS, 0, "ops", UNREAD_WAIT}, /* the clock was set back */
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct undecrypted_row row = {
		        .at_ms = 1000, .told_ms = all[i].told_ms, .room = (char *)all[i].room};

		assert_int_equal(unread_judge(&row, 1000 + all[i].age_ms), all[i].next);
	}
}

static void who_cannot_read_is_named_in_words(void **state)
{
	static const struct {
		const char *readers, *text;
		bool nobody;
	} all[] = {
	        {"{\"members\":2,\"readers\":2,\"unknown\":0,\"held\":[]}", "", false},
	        {"{\"members\":0,\"readers\":0,\"unknown\":1,\"held\":[]}", "", false},
	        {"{\"members\":0,\"readers\":0,\"unknown\":0,\"held\":[]}",
	                "nobody else is in the room", true},
	        {"{\"members\":1,\"readers\":0,\"unknown\":0,\"held\":[{\"user_id\":\"@a:x\","
	         "\"reads\":false,\"cause\":\"no_devices\",\"devices\":[]}]}",
	                "@a:x has no device with encryption keys", true},
	        {"{\"members\":2,\"readers\":1,\"unknown\":0,\"held\":[{\"user_id\":\"@a:x\","
	         "\"reads\":false,\"cause\":\"not_cross_signed\",\"devices\":[{\"device_id\":"
	         "\"A\",\"cause\":\"not_cross_signed\"},{\"device_id\":\"B\",\"cause\":"
	         "\"not_cross_signed\"}]}]}",
	                "@a:x has no cross-signed device (A, B)", false},
	        {"{\"members\":1,\"readers\":1,\"unknown\":0,\"held\":[{\"user_id\":\"@a:x\","
	         "\"reads\":true,\"cause\":null,\"devices\":[{\"device_id\":\"A\\n\",\"cause\":"
	         "\"no_one_time_key\"}]}]}",
	                "@a:x's device A cannot read: no one-time key left", false},
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		json_t *readers = json_loads(all[i].readers, 0, NULL);
		struct words out;
		char *text;

		assert_non_null(readers);
		words_init(&out);
		report_readers_room(readers, &out);
		text = words_body(&out);
		assert_int_equal(
		        report_readers_alone(readers), strncmp(all[i].text, "nobody", 6) == 0);
		assert_int_equal(report_readers_nobody(readers), all[i].nobody);
		if (i + 1 < sizeof(all) / sizeof(all[0])) /* a device id is anybody's text */
			assert_string_equal(text, all[i].text);
		else
			assert_null(strchr(text, '\n'));
		free(text);
		words_finish(&out);
		json_decref(readers);
	}
	assert_false(report_readers_nobody(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(is_opened_when_its_key_comes),
	        cmocka_unit_test(is_told_of_once_and_given_up_after_a_day),
	        cmocka_unit_test(what_meets_damaged_data_is_given_up_alone),
	        cmocka_unit_test(strangers_fill_nothing),
	        cmocka_unit_test(what_becomes_of_it),
	        cmocka_unit_test(who_cannot_read_is_named_in_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

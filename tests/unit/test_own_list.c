/*
 * test_own_list.c - what of an answer's device lists is about the bot itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include "bot/timeline/own_list.h"

#define ME "@bot:x"
#define NAMED "\"device_lists\":{\"changed\":[\"@op:x\",\"@bot:x\"],\"left\":[]}"
#define BESIDE "\"device_lists\":{\"changed\":[\"@op:x\"],\"left\":[]}"
/* A room with a membership in its state. */
#define ROOM(user)                                                                          \
	"\"rooms\":{\"join\":{\"!a:x\":{\"state\":{\"events\":[{\"type\":\"m.room.topic\"," \
	"\"state_key\":\"" user "\"},{\"type\":\"m.room.member\",\"state_key\":\"" user     \
	"\"}]}},\"!b:x\":{}}}"

/* Settles an answer; it then is the other. */
static void expect(struct own_list *own, const char *answer, int64_t now_ms, const char *then)
{
	json_t *got = json_loads(answer, 0, NULL), *want = json_loads(then, 0, NULL);
	char *text;

	assert_true(got && want);
	own_list_settle(own, got, ME, now_ms);
	text = json_dumps(got, JSON_COMPACT);
	if (!json_equal(got, want))
		fail_msg("at %lld: %s is not %s", (long long)now_ms, text, then);
	free(text);
	json_decref(got);
	json_decref(want);
}

static void a_change_without_a_membership_is_always_told(void **state)
{
	struct own_list own = {0};

	expect(&own, "{" NAMED "}", 1000, "{" NAMED "}");
	expect(&own, "{" NAMED "," ROOM("@op:x") "}", 1001, "{" NAMED "," ROOM("@op:x") "}");
	expect(&own, "{" BESIDE "," ROOM(ME) "}", 1002, "{" BESIDE "," ROOM(ME) "}");
	assert_false(own.owed);
}

static void a_change_beside_a_membership_is_told_now_and_then(void **state)
{
	struct own_list own = {0};

	expect(&own, "{" NAMED "," ROOM(ME) "}", 5, "{" NAMED "," ROOM(ME) "}");
	expect(&own, "{" NAMED "," ROOM(ME) "}", 10004, "{" BESIDE "," ROOM(ME) "}");
	expect(&own, "{" NAMED "," ROOM(ME) "}", 10005, "{" NAMED "," ROOM(ME) "}");
	assert_false(own.owed);
}

/* It may have been meant. */
static void what_was_not_told_is_told_later(void **state)
{
	struct own_list own = {0};

	expect(&own, "{" NAMED "," ROOM(ME) "}", 5, "{" NAMED "," ROOM(ME) "}");
	expect(&own, "{" NAMED "," ROOM(ME) "}", 6, "{" BESIDE "," ROOM(ME) "}");
	expect(&own, "{}", 10004, "{}");
	expect(&own, "{}", 10005, "{\"device_lists\":{\"changed\":[\"@bot:x\"]}}");
	expect(&own, "{}", 30005, "{}");
	expect(&own, "{" NAMED "," ROOM(ME) "}", 30006, "{" NAMED "," ROOM(ME) "}");
	expect(&own, "{" NAMED "," ROOM(ME) "}", 30007, "{" BESIDE "," ROOM(ME) "}");
	expect(&own, "{" BESIDE "}", 40006, "{" NAMED "}");
	expect(&own, "{" NAMED "," ROOM(ME) "}", 40007, "{" BESIDE "," ROOM(ME) "}");
	expect(&own, "{" NAMED "}", 40008, "{" NAMED "}"); /* meant, and nothing is owed */
	expect(&own, "{}", 90000, "{}");
}

static void odd_answers_do_no_harm(void **state)
{
	static const char *const odd[] = {"{\"device_lists\":[]}",
	        "{\"device_lists\":{\"changed\":3}}",
	        "{\"device_lists\":{\"changed\":[null,{},7]}}",
	        "{\"rooms\":{\"join\":[]},\"device_lists\":null}",
	        "{\"rooms\":{\"join\":{\"!a:x\":{\"state\":{\"events\":[null,7,{\"type\":7}]}}}}}"};
	struct own_list own = {0};

	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		expect(&own, odd[i], 1000, odd[i]);
	own = (struct own_list){.told_ms = 1, .owed = true};
	expect(&own, "{\"device_lists\":7}", 20000,
	        "{\"device_lists\":{\"changed\":[\"@bot:x\"]}}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_change_without_a_membership_is_always_told),
	        cmocka_unit_test(a_change_beside_a_membership_is_told_now_and_then),
	        cmocka_unit_test(what_was_not_told_is_told_later),
	        cmocka_unit_test(odd_answers_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

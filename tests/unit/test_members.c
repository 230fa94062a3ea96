/*
 * test_members.c - who is in a room: asked for, asked for again, never taken from an answer that
 * may be too old.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/matrix/members.h"
#include "tests/unit/peer.h"
#include "tests/unit/turn.h"

#define PATH "/_matrix/client/v3/rooms/%21r%3Ax/members"

struct fixture {
	uv_loop_t loop;
	struct http *http;
	struct peer *peer;
	struct mx *mx;
	struct members *members;
	void (*script)(struct fixture *f, struct peer_request *request);
	int asked;
	struct peer_request *held;
	bool known, got_held, members_closed, http_closed, peer_closed;
};

static void answer_two(struct peer_request *request)
{
	peer_answer_json(request, 200,
	        "{s:[{s:s, s:{s:s}}, {s:s, s:{s:s}}, {s:s, s:{s:s}}, {s:s, s:{s:s}}, {}]}", "chunk",
	        "state_key", "@a:x", "content", "membership", "join", "state_key", "@b:x",
	        "content", "membership", "invite", "state_key", "@c:x", "content", "membership",
	        "ban", "state_key", "@d:x", "content", "membership", "knock");
}

static void on_request(struct peer_request *request, void *arg)
{
	struct fixture *f = arg;

	assert_true(peer_is(request, "GET", PATH));
	f->asked++;
	if (f->script)
		f->script(f, request);
	else
		answer_two(request);
}

static void on_known(const char *room_id, void *arg)
{
	struct fixture *f = arg;

	assert_string_equal(room_id, "!r:x");
	f->known = true;
}

static int set_up(void **state)
{
	struct fixture *f = x_calloc(1, sizeof(*f));
	static const struct http_options options = {.proxy = ""};
	struct members_events events = {on_known, f};

	uv_loop_init(&f->loop);
	f->peer = peer_create(&f->loop, on_request, f);
	assert_int_equal(http_create(&f->http, &f->loop, &options), OK);
	f->mx = mx_create(f->http, peer_url(f->peer), NULL);
	mx_set_token(f->mx, "token");
	f->members = members_create(&f->loop, f->mx, &events);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	members_close(f->members, turn_set, &f->members_closed);
	turn_until(&f->loop, &f->members_closed);
	http_close(f->http, turn_set, &f->http_closed);
	turn_until(&f->loop, &f->http_closed);
	mx_destroy(f->mx);
	peer_close(f->peer, turn_set, &f->peer_closed);
	turn_until(&f->loop, &f->peer_closed);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	free(f);
	return 0;
}

static void sync_says(struct fixture *f, const char *text)
{
	json_t *sync = json_loads(text, 0, NULL);

	assert_non_null(sync);
	members_take_sync(f->members, sync);
	json_decref(sync);
}

static void only_the_joined_and_invited_are_in_the_list(void **state)
{
	struct fixture *f = *state;
	struct member_list *list;

	assert_null(members_of(f->members, "!r:x"));
	members_follow(f->members, "!r:x");
	members_follow(f->members, "!r:x");
	assert_null(members_of(f->members, "!r:x"));
	turn_until(&f->loop, &f->known);
	list = members_of(f->members, "!r:x");
	assert_int_equal(list->len, 2);
	assert_string_equal(list->users[0], "@a:x");
	assert_string_equal(list->users[1], "@b:x");
	assert_int_equal(f->asked, 1);
}

/* A membership in a part of an answer about the room. */
#define MEMBER(part, user, is)                                                                   \
	"{\"rooms\":{\"join\":{\"!r:x\":{\"" part "\":{\"events\":[{\"type\":\"m.room.member\"," \
	"\"state_key\":\"" user "\",\"content\":{\"membership\":\"" is "\"}}]}}}}}"

static void any_change_makes_the_list_unknown_until_it_is_asked_for_again(void **state)
{
	struct fixture *f = *state;
	struct member_list *held;
	static const char *const changes[] = {
	        "{\"rooms\":{\"join\":{\"!r:x\":{\"timeline\":{\"events\":[{\"type\":"
	        "\"m.room.member\"}]}}}}}",
	        "{\"rooms\":{\"join\":{\"!r:x\":{\"state\":{\"events\":[{\"type\":"
	        "\"m.room.member\"}]}}}}}",
	        "{\"rooms\":{\"join\":{\"!r:x\":{\"timeline\":{\"limited\":true}}}}}",
	        MEMBER("timeline", "@a:x", "leave"),
	        MEMBER("state", "@a:x", "ban"),
	        MEMBER("state", "@a:x", "invite"),
	        MEMBER("timeline", "@b:x", "join"), /* was invited */
	        MEMBER("state", "@e:x", "join"),
	};

	members_follow(f->members, "!r:x");
	turn_until(&f->loop, &f->known);
	sync_says(f, "{\"rooms\":{\"join\":{\"!r:x\":{\"timeline\":{\"events\":[{\"type\":"
	             "\"m.room.message\"}]}},\"!other:x\":{\"timeline\":{\"limited\":true}}}}}");
	assert_non_null(members_of(f->members, "!r:x"));
	held = member_list_ref(members_of(f->members, "!r:x"));
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		f->known = false;
		sync_says(f, changes[i]);
		assert_null(members_of(f->members, "!r:x"));
		turn_until(&f->loop, &f->known);
		assert_non_null(members_of(f->members, "!r:x"));
		assert_int_equal(f->asked, 2 + i);
	}
	assert_string_equal(held->users[0], "@a:x"); /* a job may still read it */
	member_list_unref(held);
}

/* Synapse adds the membership of a sender to the state of each answer when the sender's last event
 * was in another room; and somebody may change a name. */
static void a_membership_that_is_known_changes_nothing(void **state)
{
	struct fixture *f = *state;

	members_follow(f->members, "!r:x");
	turn_until(&f->loop, &f->known);
	sync_says(f, MEMBER("state", "@a:x", "join"));
	assert_non_null(members_of(f->members, "!r:x"));
	sync_says(f, MEMBER("timeline", "@a:x", "join"));
	assert_non_null(members_of(f->members, "!r:x"));
	assert_int_equal(f->asked, 1);
}

static void hold(struct fixture *f, struct peer_request *request)
{
	f->script = NULL;
	f->held = request;
	f->got_held = true;
}

static void an_answer_older_than_a_change_is_not_taken(void **state)
{
	struct fixture *f = *state;

	f->script = hold;
	members_follow(f->members, "!r:x");
	turn_until(&f->loop, &f->got_held);
	sync_says(f, "{\"rooms\":{\"join\":{\"!r:x\":{\"timeline\":{\"limited\":true}}}}}");
	answer_two(f->held);
	turn_until(&f->loop, &f->known);
	assert_int_equal(f->asked, 2);
	assert_non_null(members_of(f->members, "!r:x"));
}

static void fail_once(struct fixture *f, struct peer_request *request)
{
	f->script = NULL;
	peer_answer_json(request, 200, "{s:s}", "chunk", "none");
}

static void a_bad_answer_is_asked_for_again(void **state)
{
	struct fixture *f = *state;

	f->script = fail_once;
	members_follow(f->members, "!r:x");
	turn_until(&f->loop, &f->known);
	assert_int_equal(f->asked, 2);
}

static void closing_ends_what_is_under_way(void **state)
{
	struct fixture *f = *state;

	f->script = hold;
	members_follow(f->members, "!r:x");
	turn_until(&f->loop, &f->got_held);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(only_the_joined_and_invited_are_in_the_list),
	        TEST(any_change_makes_the_list_unknown_until_it_is_asked_for_again),
	        TEST(a_membership_that_is_known_changes_nothing),
	        TEST(an_answer_older_than_a_change_is_not_taken),
	        TEST(a_bad_answer_is_asked_for_again),
	        TEST(closing_ends_what_is_under_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

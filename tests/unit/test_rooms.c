/*
 * test_rooms.c - from addresses to rooms that are ready, against a scripted homeserver.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "bot/base/alloc.h"
#include "bot/matrix/rooms.h"
#include "tests/unit/peer.h"
#include "tests/unit/turn.h"

#define ROUTES_MAX 64
#define ALIAS "#ops:x"
#define NO_EVENT "{\"errcode\":\"M_NOT_FOUND\"}"

/* What the homeserver answers for a path; the latest route of a path counts. */
struct route {
	char path[128];
	int status;
	char body[256];
	unsigned hits;
};

struct fixture {
	uv_loop_t loop;
	struct http *http;
	struct peer *peer;
	struct mx *mx;
	struct rooms *rooms;
	struct config config;
	struct config_room room_list[3];
	char *invite_from[2];
	struct route routes[ROUTES_MAX];
	unsigned routes_len;
	const char *wait_path; /* `asked` is set when it is asked for */
	bool asked, ready, changed, told, hold, mute, speaks;
	struct peer_request *held;
	unsigned changes, encrypted_told;
	char encrypted_id[64];
	bool rooms_closed, http_closed, peer_closed;
};

static struct route *route_find(struct fixture *f, const char *path)
{
	for (unsigned i = f->routes_len; i-- > 0;)
		if (strcmp(f->routes[i].path, path) == 0)
			return &f->routes[i];
	return NULL;
}

static void route(struct fixture *f, const char *path, int status, const char *body)
{
	struct route *fresh = &f->routes[f->routes_len++];

	assert_true(f->routes_len < ROUTES_MAX);
	snprintf(fresh->path, sizeof(fresh->path), "%s", path);
	fresh->status = status;
	snprintf(fresh->body, sizeof(fresh->body), "%s", body);
}

/* A room that can be joined; encryption and tombstone: content or NULL. */
static void route_room(
        struct fixture *f, const char *letter, const char *encryption, const char *successor)
{
	char path[128], body[256];

	snprintf(path, sizeof(path), "/v3/join/%%21%s%%3Ax", letter);
	snprintf(body, sizeof(body), "{\"room_id\":\"!%s:x\"}", letter);
	route(f, path, 200, body);
	snprintf(path, sizeof(path), "/v3/rooms/%%21%s%%3Ax/state/m.room.encryption", letter);
	route(f, path, encryption ? 200 : 404, encryption ? encryption : NO_EVENT);
	snprintf(path, sizeof(path), "/v3/rooms/%%21%s%%3Ax/state/m.room.tombstone", letter);
	snprintf(body, sizeof(body), "{\"replacement_room\":\"%s\"}", successor);
	route(f, path, successor ? 200 : 404, successor ? body : NO_EVENT);
}

static void route_alias(struct fixture *f, const char *room_id)
{
	char body[128];

	snprintf(body, sizeof(body), "{\"room_id\":\"%s\",\"servers\":[\"x\",\"y\"]}", room_id);
	route(f, "/v3/directory/room/%23ops%3Ax", 200, body);
}

static void on_request(struct peer_request *request, void *arg)
{
	struct fixture *f = arg;
	const char *target = peer_target(request) + strlen("/_matrix/client");
	char path[256];
	struct route *found;

	snprintf(path, sizeof(path), "%.*s", (int)strcspn(target, "?"), target);
	if (f->wait_path && strcmp(path, f->wait_path) == 0)
		f->asked = true;
	if (f->hold) {
		f->held = request;
		return;
	}
	found = route_find(f, path);
	if (!found) {
		peer_answer(request, 404, NULL, NO_EVENT);
		return;
	}
	found->hits++;
	peer_answer(request, found->status, NULL, found->body);
}

static unsigned hits(struct fixture *f, const char *path)
{
	const struct route *found = route_find(f, path);

	return found ? found->hits : 0;
}

static void on_room(const struct room *room, void *arg)
{
	struct fixture *f = arg;

	f->changes++;
	f->changed = true;
	f->ready = room->ready;
	assert_int_equal(room->problem[0] == '\0', room->ready);
}

static void on_encrypted(const char *room_id, const json_t *content, void *arg)
{
	struct fixture *f = arg;

	(void)content;
	f->encrypted_told++;
	snprintf(f->encrypted_id, sizeof(f->encrypted_id), "%s", room_id);
}

static int set_up(void **state)
{
	struct fixture *f = x_calloc(1, sizeof(*f));
	static const struct http_options options = {.proxy = ""};
	struct rooms_events events = {.on_room = on_room, .on_encrypted = on_encrypted, .arg = f};

	uv_loop_init(&f->loop);
	f->peer = peer_create(&f->loop, on_request, f);
	assert_int_equal(http_create(&f->http, &f->loop, &options), OK);
	f->mx = mx_create(f->http, peer_url(f->peer), NULL);
	mx_set_token(f->mx, "token");
	f->rooms = rooms_create(&f->loop, f->mx, "@bot:x", &events);
	f->invite_from[0] = (char *)"@boss:y";
	f->config.matrix.invite_from = f->invite_from;
	f->config.rooms = f->room_list;
	f->config.rooms_len = 1;
	f->room_list[0].name = (char *)"ops";
	f->room_list[0].address = (char *)ALIAS;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	if (!f->rooms_closed) {
		rooms_close(f->rooms, turn_set, &f->rooms_closed);
		turn_until(&f->loop, &f->rooms_closed);
	}
	http_close(f->http, turn_set, &f->http_closed);
	turn_until(&f->loop, &f->http_closed);
	mx_destroy(f->mx);
	peer_close(f->peer, turn_set, &f->peer_closed);
	turn_until(&f->loop, &f->peer_closed);
	assert_int_equal(turn_end(&f->loop), 0);
	free(f);
	return 0;
}

static const struct room *ops(struct fixture *f)
{
	return rooms_get(f->rooms, "ops");
}

static void on_look(uv_timer_t *timer)
{
	struct fixture *f = timer->data;
	const char *problem = ops(f)->problem;

	f->told = problem[0] != '\0' && strcmp(problem, "not checked yet") != 0;
	f->mute = ops(f)->mute[0] != '\0';
	f->speaks = !f->mute;
}

/* Turns until what on_look() looks for, for which there is no event. */
static void turn_and_look(struct fixture *f, bool *seen)
{
	uv_timer_t timer;

	*seen = false;
	timer.data = f;
	uv_timer_init(&f->loop, &timer);
	uv_timer_start(&timer, on_look, 1, 5);
	turn_until(&f->loop, seen);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&f->loop, UV_RUN_NOWAIT);
}

/* Turns until the room has a problem; while it was never ready there is no event for that. */
static void turn_until_problem(struct fixture *f)
{
	turn_and_look(f, &f->told);
}

static void take(struct fixture *f, const char *text)
{
	json_t *sync = json_loads(text, 0, NULL);

	assert_non_null(sync);
	rooms_take_sync(f->rooms, sync, true);
	json_decref(sync);
}

static void configure_until_ready(struct fixture *f)
{
	rooms_configure(f->rooms, &f->config);
	turn_until(&f->loop, &f->ready);
}

/* ---- resolving and joining ---- */

static void test_alias_is_resolved_and_joined(void **state)
{
	struct fixture *f = *state;

	route_alias(f, "!a:x");
	route_room(f, "a", NULL, NULL);
	rooms_configure(f->rooms, &f->config);
	assert_int_equal(rooms_len(f->rooms), 1);
	assert_false(ops(f)->ready);
	assert_null(ops(f)->room_id);
	turn_until(&f->loop, &f->ready);
	assert_string_equal(ops(f)->room_id, "!a:x");
	assert_string_equal(ops(f)->address, ALIAS);
	assert_false(ops(f)->encrypted);
	assert_ptr_equal(rooms_at(f->rooms, 0), ops(f));
	assert_null(rooms_get(f->rooms, "none"));
	assert_int_equal(f->changes, 1);
}

static void test_room_id_needs_no_directory(void **state)
{
	struct fixture *f = *state;

	int saved = dup(STDERR_FILENO), file = memfd_create("log", MFD_CLOEXEC);
	char log[1024] = "";

	f->room_list[0].address = (char *)"!a:x";
	route_room(f, "a", NULL, NULL);
	assert_true(saved >= 0 && file >= 0 && dup2(file, STDERR_FILENO) >= 0);
	configure_until_ready(f);
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	assert_true(pread(file, log, sizeof(log) - 1, 0) > 0);
	close(saved);
	close(file);
	assert_non_null(strstr(log, "rooms: ops: in !a:x\n"));
	assert_string_equal(ops(f)->room_id, "!a:x");
	assert_in_range(peer_requests(f->peer), 3, 4); /* the fourth asks for the power levels */
}

static void test_alias_that_moved_is_followed(void **state)
{
	struct fixture *f = *state;

	route_alias(f, "!a:x");
	route_room(f, "a", NULL, NULL);
	route_room(f, "b", NULL, NULL);
	configure_until_ready(f);
	route_alias(f, "!b:x");
	f->changed = false;
	rooms_configure(f->rooms, &f->config);
	turn_until(&f->loop, &f->changed);
	assert_true(ops(f)->ready);
	assert_string_equal(ops(f)->room_id, "!b:x");
	assert_int_equal(hits(f, "/v3/join/%21b%3Ax"), 1);
}

static void test_alias_that_is_gone_does_not_take_the_room_away(void **state)
{
	struct fixture *f = *state;

	route_alias(f, "!a:x");
	route_room(f, "a", NULL, NULL);
	configure_until_ready(f);
	route(f, "/v3/directory/room/%23ops%3Ax", 404, NO_EVENT);
	f->wait_path = "/v3/rooms/%21a%3Ax/state/m.room.tombstone";
	rooms_configure(f->rooms, &f->config);
	turn_until(&f->loop, &f->asked);
	assert_true(ops(f)->ready);
	assert_int_equal(hits(f, "/v3/join/%21a%3Ax"), 1); /* known to be a member */
	assert_int_equal(f->changes, 1);
}

static void test_refused_join_says_why(void **state)
{
	struct fixture *f = *state;

	route_alias(f, "!a:x");
	route(f, "/v3/join/%21a%3Ax", 403,
	        "{\"errcode\":\"M_FORBIDDEN\",\"error\":\"You are not invited\"}");
	rooms_configure(f->rooms, &f->config);
	turn_until_problem(f);
	assert_false(ops(f)->ready);
	assert_non_null(strstr(ops(f)->problem, "invite the bot"));
	assert_non_null(strstr(ops(f)->problem, "You are not invited"));
	assert_int_equal(f->changes, 0);
}

static void test_refused_join_of_who_is_banned(void **state)
{
	struct fixture *f = *state;

	route_alias(f, "!a:x");
	route(f, "/v3/join/%21a%3Ax", 403,
	        "{\"errcode\":\"M_BAD_STATE\",\"error\":\"Cannot join user who was banned\"}");
	rooms_configure(f->rooms, &f->config);
	turn_until_problem(f);
	assert_non_null(strstr(ops(f)->problem, "lift the ban and invite the bot"));
}

static void test_room_that_cannot_be_reached_blocks_no_other(void **state)
{
	struct fixture *f = *state;

	route_alias(f, "!a:x");
	route_room(f, "a", NULL, NULL);
	f->config.rooms_len = 2;
	f->room_list[1].name = (char *)"dev";
	f->room_list[1].address = (char *)"#dev:x";
	configure_until_ready(f);
	assert_true(ops(f)->ready);
	assert_false(rooms_get(f->rooms, "dev")->ready);
}

static void test_failure_that_may_pass_is_tried_again(void **state)
{
	struct fixture *f = *state;

	route_alias(f, "!a:x");
	route_room(f, "a", NULL, NULL);
	route(f, "/v3/join/%21a%3Ax", 502, "<html>");
	rooms_configure(f->rooms, &f->config);
	turn_until_problem(f);
	assert_non_null(strstr(ops(f)->problem, "502"));
	route_room(f, "a", NULL, NULL);
	turn_until(&f->loop, &f->ready);
}

static void test_answers_that_lead_elsewhere_are_refused(void **state)
{
	struct fixture *f = *state;

	route(f, "/v3/directory/room/%23ops%3Ax", 200, "{\"room_id\":\"#evil\"}");
	rooms_configure(f->rooms, &f->config);
	turn_until_problem(f);
	assert_non_null(strstr(ops(f)->problem, "is not a room id"));
	route_alias(f, "!a:x");
	route(f, "/v3/join/%21a%3Ax", 200, "{\"room_id\":\"!other:x\"}");
	f->wait_path = "/v3/join/%21a%3Ax";
	rooms_configure(f->rooms, &f->config);
	turn_until(&f->loop, &f->asked);
	for (int i = 0; i < 10; i++)
		uv_run(&f->loop, UV_RUN_NOWAIT);
	assert_false(ops(f)->ready);
}

/* ---- encryption ---- */

static void test_encrypted_room_is_told_once(void **state)
{
	struct fixture *f = *state;

	route_alias(f, "!a:x");
	route_room(f, "a", "{\"algorithm\":\"m.megolm.v1.aes-sha2\"}", NULL);
	configure_until_ready(f);
	assert_true(ops(f)->encrypted);
	assert_int_equal(f->encrypted_told, 1);
	assert_string_equal(f->encrypted_id, "!a:x");
	f->wait_path = "/v3/rooms/%21a%3Ax/state/m.room.tombstone";
	rooms_configure(f->rooms, &f->config);
	turn_until(&f->loop, &f->asked);
	assert_int_equal(f->encrypted_told, 1);
}

static void test_room_is_not_ready_until_encryption_is_known(void **state)
{
	struct fixture *f = *state;
	static const struct {
		int status;
		const char *body;
	} failures[] = {
	        {500, "{}"},
	        {404, "<html>"}, /* a proxy's word */
	        {200, "{\"algo"},
	        {403, "{\"errcode\":\"M_FORBIDDEN\"}"},
	};

	route_alias(f, "!a:x");
	route_room(f, "a", NULL, NULL);
	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
		route(f, "/v3/rooms/%21a%3Ax/state/m.room.encryption", failures[i].status,
		        failures[i].body);
		rooms_configure(f->rooms, &f->config);
		turn_until_problem(f);
		assert_false(ops(f)->ready);
		assert_non_null(strstr(ops(f)->problem, "encrypted"));
	}
}

static void test_once_encrypted_stays_so(void **state)
{
	struct fixture *f = *state;

	rooms_remember_encrypted(f->rooms, "!a:x", NULL);
	route_alias(f, "!a:x");
	route_room(f, "a", NULL, NULL); /* the server takes it back */
	configure_until_ready(f);
	assert_true(ops(f)->encrypted);
}

/* Moved while the bot was down, by whoever rules the alias. */
static void test_alias_of_an_encrypted_room_leads_to_no_plain_one(void **state)
{
	struct fixture *f = *state;

	rooms_remember_encrypted(f->rooms, "!a:x", f->room_list[0].address);
	route_alias(f, "!b:x");
	route_room(f, "b", NULL, NULL);
	rooms_configure(f->rooms, &f->config);
	turn_until_problem(f);
	assert_false(ops(f)->ready);
	assert_non_null(strstr(ops(f)->problem, "is encrypted and it is not"));
}

/* ---- rooms from storage ---- */

#define QUIET "{\"rooms\":{}}"

static void remember(struct fixture *f)
{
	json_t *settled = json_pack("{s:s}", ALIAS, "!a:x");

	rooms_remember_settled(f->rooms, settled);
	json_decref(settled);
	route_alias(f, "!a:x");
	route_room(f, "a", NULL, NULL);
	route_room(f, "b", NULL, NULL);
}

/* Configures, and turns until the alias was asked for. */
static void configure_until_asked(struct fixture *f)
{
	f->wait_path = "/v3/directory/room/%23ops%3Ax";
	f->asked = false;
	rooms_configure(f->rooms, &f->config);
	turn_until(&f->loop, &f->asked);
}

static void test_room_from_storage_needs_the_alias_and_sync_alone(void **state)
{
	struct fixture *f = *state;
	json_t *settled;

	remember(f);
	configure_until_asked(f);
	assert_false(ops(f)->ready);
	take(f, QUIET);
	turn_until(&f->loop, &f->ready);
	assert_string_equal(ops(f)->room_id, "!a:x");
	assert_int_equal(peer_requests(f->peer), 1);
	settled = rooms_settled(f->rooms);
	assert_string_equal(json_string_value(json_object_get(settled, ALIAS)), "!a:x");
	json_decref(settled);
}

static void test_room_from_storage_may_have_been_synced_before_the_alias(void **state)
{
	struct fixture *f = *state;

	remember(f);
	rooms_configure(f->rooms, &f->config);
	take(f, QUIET);
	assert_false(ops(f)->ready);
	turn_until(&f->loop, &f->ready);
	assert_int_equal(peer_requests(f->peer), 1);
}

/* What happened while the bot was down counts before the room is ready. */
static void test_room_from_storage_is_checked_when_sync_says_otherwise(void **state)
{
	struct fixture *f = *state;

	remember(f);
	route(f, "/v3/join/%21a%3Ax", 403, "{\"errcode\":\"M_FORBIDDEN\"}");
	configure_until_asked(f);
	take(f, "{\"rooms\":{\"leave\":{\"!a:x\":{}}}}");
	assert_false(ops(f)->ready);
	turn_until_problem(f);
	assert_false(ops(f)->ready);
}

static void test_room_from_storage_may_have_been_upgraded(void **state)
{
	struct fixture *f = *state;

	remember(f);
	route_room(f, "a", NULL, "!b:x");
	configure_until_asked(f);
	take(f, "{\"rooms\":{\"join\":{\"!a:x\":{\"state\":{\"events\":[{\"type\":"
	        "\"m.room.tombstone\",\"state_key\":\"\",\"content\":{\"replacement_room\":"
	        "\"!b:x\"}}]}}}}}");
	assert_false(ops(f)->ready);
	turn_until(&f->loop, &f->ready);
	assert_string_equal(ops(f)->room_id, "!b:x");
}

static void test_room_from_storage_may_have_been_encrypted(void **state)
{
	struct fixture *f = *state;

	remember(f);
	configure_until_asked(f);
	take(f, "{\"rooms\":{\"join\":{\"!a:x\":{\"state\":{\"events\":[{\"type\":"
	        "\"m.room.encryption\",\"state_key\":\"\",\"content\":{}}]}}}}}");
	turn_until(&f->loop, &f->ready);
	assert_true(ops(f)->encrypted);
}

static void test_room_from_storage_may_have_moved(void **state)
{
	struct fixture *f = *state;

	remember(f);
	route_alias(f, "!b:x");
	rooms_configure(f->rooms, &f->config);
	take(f, QUIET);
	turn_until(&f->loop, &f->ready);
	assert_string_equal(ops(f)->room_id, "!b:x");
	assert_int_equal(hits(f, "/v3/join/%21b%3Ax"), 1);
}

/* A /sync that is not whole, or does not come at all, decides nothing. */
static void test_room_from_storage_is_checked_without_sync(void **state)
{
	struct fixture *f = *state;
	json_t *sync = json_object();

	remember(f);
	configure_until_asked(f);
	rooms_take_sync(f->rooms, sync, false);
	json_decref(sync);
	assert_false(ops(f)->ready);
	turn_until(&f->loop, &f->ready);
	assert_int_equal(hits(f, "/v3/join/%21a%3Ax"), 1);
}

static void test_encryption_in_sync_is_taken(void **state)
{
	struct fixture *f = *state;

	route_alias(f, "!a:x");
	route_room(f, "a", NULL, NULL);
	configure_until_ready(f);
	assert_false(ops(f)->encrypted);
	take(f, "{\"rooms\":{\"join\":{\"!a:x\":{\"timeline\":{\"events\":["
	        "{\"type\":\"m.room.encryption\",\"content\":{}},"
	        "{\"type\":\"m.room.encryption\",\"state_key\":\"x\",\"content\":{}}]}}}}}");
	assert_false(ops(f)->encrypted); /* neither is the room's state */
	take(f, "{\"rooms\":{\"join\":{\"!a:x\":{\"timeline\":{\"events\":[{\"type\":"
	        "\"m.room.encryption\",\"state_key\":\"\",\"content\":7}]}}}}}");
	assert_true(ops(f)->encrypted);
	assert_int_equal(f->encrypted_told, 1);
	assert_int_equal(f->changes, 2);
}

static void test_alias_does_not_lead_from_an_encrypted_room_to_a_plain_one(void **state)
{
	struct fixture *f = *state;

	route_alias(f, "!a:x");
	route_room(f, "a", "{\"algorithm\":\"m.megolm.v1.aes-sha2\"}", NULL);
	route_room(f, "b", NULL, NULL);
	configure_until_ready(f);
	route_alias(f, "!b:x");
	rooms_configure(f->rooms, &f->config);
	turn_until_problem(f);
	assert_false(ops(f)->ready);
	assert_non_null(strstr(ops(f)->problem, "is encrypted and it is not"));
	assert_true(f->changed);
	assert_false(f->ready);
	assert_true(ops(f)->encrypted);
}

/* ---- upgrades ---- */

static void test_tombstones_are_followed(void **state)
{
	struct fixture *f = *state;

	route_alias(f, "!a:x");
	route_room(f, "a", NULL, "!b:x");
	route_room(f, "b", NULL, "!c:x");
	route_room(f, "c", NULL, NULL);
	configure_until_ready(f);
	assert_string_equal(ops(f)->room_id, "!c:x");
}

static void test_circle_of_tombstones_ends_in_its_last_room(void **state)
{
	struct fixture *f = *state;

	route_alias(f, "!a:x");
	route_room(f, "a", NULL, "!b:x");
	route_room(f, "b", NULL, "!a:x");
	configure_until_ready(f);
	assert_string_equal(ops(f)->room_id, "!b:x");
	assert_int_equal(hits(f, "/v3/join/%21a%3Ax") + hits(f, "/v3/join/%21b%3Ax"), 2);
}

static void test_chain_of_tombstones_without_end_is_refused(void **state)
{
	static const char *const letters[] = {
	        "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"};
	struct fixture *f = *state;
	char successor[8];

	route_alias(f, "!a:x");
	for (size_t i = 0; i < 12; i++) {
		snprintf(successor, sizeof(successor), "!%c:x", 'b' + (char)i);
		route_room(f, letters[i], NULL, successor);
	}
	rooms_configure(f->rooms, &f->config);
	turn_until_problem(f);
	assert_non_null(strstr(ops(f)->problem, "too many times"));
}

static void test_tombstone_that_leads_nowhere_does_not_take_the_room_away(void **state)
{
	static const char *const successors[] = {"", "!a:x", "#b:x", "nonsense", "!"};
	struct fixture *f = *state;
	char sync[256];

	for (size_t i = 0; i < sizeof(successors) / sizeof(successors[0]); i++) {
		f->routes_len = 0;
		route_alias(f, "!a:x");
		route_room(f, "a", NULL, successors[i]);
		f->ready = ops(f) && ops(f)->ready;
		configure_until_ready(f);
		assert_string_equal(ops(f)->room_id, "!a:x");
		snprintf(sync, sizeof(sync),
		        "{\"rooms\":{\"join\":{\"!a:x\":{\"timeline\":{\"events\":[{\"type\":"
		        "\"m.room.tombstone\",\"state_key\":\"\",\"content\":{"
		        "\"replacement_room\":\"%s\"}}]}}}}}",
		        successors[i]);
		take(f, sync);
		assert_true(ops(f)->ready);
	}
}

static void test_redacted_tombstone_leads_back_at_once(void **state)
{
	struct fixture *f = *state;

	route_alias(f, "!a:x");
	route_room(f, "a", NULL, "!b:x"); /* where nobody lets us in */
	rooms_configure(f->rooms, &f->config);
	turn_until_problem(f);
	assert_false(ops(f)->ready);
	route(f, "/v3/rooms/%21a%3Ax/state/m.room.tombstone", 200, "{}");
	take(f, "{\"rooms\":{\"join\":{\"!a:x\":{\"timeline\":{\"events\":[{\"type\":"
	        "\"m.room.redaction\",\"redacts\":\"$t\",\"content\":{}}]}}}}}");
	turn_until(&f->loop, &f->ready); /* sooner than it would look by itself */
	assert_string_equal(ops(f)->room_id, "!a:x");
}

static void test_successor_that_is_plain_is_refused_when_the_old_room_was_encrypted(void **state)
{
	struct fixture *f = *state;

	f->room_list[0].address = (char *)"!a:x";
	rooms_remember_encrypted(f->rooms, "!a:x", NULL);
	route_room(f, "a", NULL, "!b:x");
	route_room(f, "b", NULL, NULL);
	rooms_configure(f->rooms, &f->config);
	turn_until_problem(f);
	assert_false(ops(f)->ready);
	assert_non_null(strstr(ops(f)->problem, "is encrypted and it is not"));
}

static void test_tombstone_in_sync_is_followed(void **state)
{
	struct fixture *f = *state;

	route_alias(f, "!a:x");
	route_room(f, "a", NULL, NULL);
	configure_until_ready(f);
	route_room(f, "a", NULL, "!b:x");
	route_room(f, "b", NULL, NULL);
	take(f, "{\"rooms\":{\"join\":{\"!a:x\":{\"state\":{\"events\":[{\"type\":"
	        "\"m.room.tombstone\",\"state_key\":\"\","
	        "\"content\":{\"replacement_room\":\"!b:x\"}}]}}}}}");
	assert_false(ops(f)->ready); /* nothing more is sent into the old room */
	turn_until(&f->loop, &f->ready);
	assert_string_equal(ops(f)->room_id, "!b:x");
}

/* ---- membership ---- */

static void test_room_that_was_left_is_lost_and_joined_again(void **state)
{
	struct fixture *f = *state;

	route_alias(f, "!a:x");
	route_room(f, "a", NULL, NULL);
	configure_until_ready(f);
	take(f, "{\"rooms\":{\"leave\":{\"!other:x\":{},\"!a:x\":{}}}}");
	assert_false(ops(f)->ready);
	assert_int_equal(f->changes, 2);
	assert_string_equal(ops(f)->problem, "the bot is no longer in the room; invite it again");
	turn_until(&f->loop, &f->ready);
	assert_int_equal(hits(f, "/v3/join/%21a%3Ax"), 2);
}

static void test_who_was_banned_is_told_so(void **state)
{
	struct fixture *f = *state;

	route_alias(f, "!a:x");
	route_room(f, "a", NULL, NULL);
	configure_until_ready(f);
	take(f, "{\"rooms\":{\"leave\":{\"!a:x\":{\"timeline\":{\"events\":[{\"type\":\"m.room."
	        "member\","
	        "\"state_key\":\"@other:x\",\"content\":{\"membership\":\"leave\"}},{\"type\":"
	        "\"m.room.member\",\"state_key\":\"@bot:x\",\"content\":{\"membership\":\"ban\"}}]}"
	        "}}}}");
	assert_string_equal(
	        ops(f)->problem, "the bot was banned; lift the ban and invite it again");
}

static const char levels_changed[] =
        "{\"rooms\":{\"join\":{\"!a:x\":{\"timeline\":{\"events\":[{\"type\":"
        "\"m.room.power_levels\",\"state_key\":\"\",\"content\":{}}]}}}}}";

/* A room where the bot may not write is ready all the same: levels may be wrong or change. */
static void test_power_to_write_is_known(void **state)
{
	static const char levels[] = "/v3/rooms/%21a%3Ax/state/m.room.power_levels";
	struct fixture *f = *state;

	f->room_list[0].address = (char *)"!a:x"; /* also without an alias */
	route_room(f, "a", NULL, NULL);
	route(f, levels, 200, "{\"events_default\":50,\"users\":{\"@bot:x\":7}}");
	configure_until_ready(f);
	turn_and_look(f, &f->mute);
	assert_true(ops(f)->ready);
	assert_string_equal(
	        ops(f)->mute, "the bot may not write: its power level is 7, 50 is needed");
	route(f, levels, 200, "{\"events_default\":50,\"users\":{\"@bot:x\":50}}");
	take(f, levels_changed);
	turn_and_look(f, &f->speaks);
}

/* From version 12 on a creator needs no level. */
static void test_power_of_a_creator(void **state)
{
	static const char create[] = "/v3/rooms/%21a%3Ax/state/m.room.create";
	struct fixture *f = *state;

	f->room_list[0].address = (char *)"!a:x";
	route_room(f, "a", NULL, NULL);
	route(f, "/v3/rooms/%21a%3Ax/state/m.room.power_levels", 200, "{\"events_default\":50}");
	route(f, create, 200, "{\"sender\":\"@bot:x\",\"content\":{\"room_version\":\"11\"}}");
	configure_until_ready(f);
	turn_and_look(f, &f->mute);
	route(f, create, 200, "{\"sender\":\"@bot:x\",\"content\":{\"room_version\":\"12\"}}");
	take(f, levels_changed);
	turn_and_look(f, &f->speaks);
}

static void test_recheck_joins_anew(void **state)
{
	struct fixture *f = *state;

	route_alias(f, "!a:x");
	route_room(f, "a", NULL, NULL);
	configure_until_ready(f);
	route(f, "/v3/join/%21a%3Ax", 403, "{\"errcode\":\"M_FORBIDDEN\"}");
	f->changed = false;
	rooms_recheck(f->rooms, "none");
	rooms_recheck(f->rooms, "ops");
	turn_until(&f->loop, &f->changed);
	assert_false(ops(f)->ready);
}

static const char invitation[] =
        "{\"rooms\":{\"invite\":{\"%s\":{\"invite_state\":{\"events\":["
        "{\"type\":\"m.room.member\",\"state_key\":\"%s\",\"sender\":\"%s\","
        "\"content\":{\"membership\":\"%s\"}}]}}}}}";

static void take_invitation(struct fixture *f, const char *room_id, const char *invited,
        const char *sender, const char *membership)
{
	char text[512];

	snprintf(text, sizeof(text), invitation, room_id, invited, sender, membership);
	take(f, text);
}

static void test_invitation_is_accepted_from_a_configured_user_only(void **state)
{
	struct fixture *f = *state;

	route_alias(f, "!a:x");
	route(f, "/v3/join/%21a%3Ax", 403, "{\"errcode\":\"M_FORBIDDEN\"}");
	rooms_configure(f->rooms, &f->config);
	turn_until_problem(f);
	route_room(f, "a", NULL, NULL);
	route_room(f, "b", NULL, NULL);
	take_invitation(f, "!b:x", "@bot:x", "@stranger:y", "invite");
	take_invitation(f, "!a:x", "@other:x", "@boss:y", "invite");
	take_invitation(f, "!a:x", "@bot:x", "@boss:y", "join");
	for (int i = 0; i < 10; i++)
		uv_run(&f->loop, UV_RUN_NOWAIT);
	assert_int_equal(hits(f, "/v3/join/%21a%3Ax"), 0);
	assert_int_equal(hits(f, "/v3/join/%21b%3Ax"), 0);

	take_invitation(f, "!a:x", "@bot:x", "@boss:y", "invite");
	take_invitation(f, "!a:x", "@bot:x", "@boss:y", "invite"); /* is being accepted already */
	turn_until(&f->loop, &f->ready); /* and the room that waited is looked at at once */
	assert_int_equal(hits(f, "/v3/join/%21a%3Ax"), 2);
}

/* The bot joins a room of the config whoever invites it there, at once rather than with its next
 * try. */
static void test_invitation_to_a_configured_room_is_tried_at_once(void **state)
{
	struct fixture *f = *state;

	route_alias(f, "!a:x");
	route(f, "/v3/join/%21a%3Ax", 403, "{\"errcode\":\"M_FORBIDDEN\"}");
	rooms_configure(f->rooms, &f->config);
	turn_until_problem(f);
	route_room(f, "a", NULL, NULL);
	take_invitation(f, "!a:x", "@bot:x", "@stranger:y", "invite");
	turn_until(&f->loop, &f->ready);
	assert_int_equal(hits(f, "/v3/join/%21a%3Ax"), 1);
}

static void test_sync_of_any_shape_is_harmless(void **state)
{
	struct fixture *f = *state;
	static const char *const texts[] = {
	        "{}",
	        "{\"rooms\":7}",
	        "{\"rooms\":{\"join\":[],\"leave\":\"x\",\"invite\":null}}",
	        "{\"rooms\":{\"join\":{\"!a:x\":7,\"!b:x\":{\"state\":[],\"timeline\":{\"events\":"
	        "[7,{},{\"type\":7},{\"type\":\"m.room.member\",\"state_key\":{}}]}}}}}",
	        "{\"rooms\":{\"invite\":{\"!a:x\":{\"invite_state\":{\"events\":[{\"type\":"
	        "\"m.room.member\",\"state_key\":\"@bot:x\",\"sender\":7,\"content\":{"
	        "\"membership\":\"invite\"}}]}},\"bad\":{},\"!c\":[]}}}",
	};

	rooms_configure(f->rooms, &f->config);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		take(f, texts[i]);
	turn_until_problem(f);
}

/* ---- config and closing ---- */

static void test_reload_drops_and_adds_rooms_in_the_middle_of_a_look(void **state)
{
	struct fixture *f = *state;

	f->hold = true;
	f->wait_path = "/v3/directory/room/%23ops%3Ax";
	rooms_configure(f->rooms, &f->config);
	turn_until(&f->loop, &f->asked);
	f->hold = false;
	f->room_list[0].address = (char *)"!b:x";
	route_room(f, "b", NULL, NULL);
	configure_until_ready(f);
	assert_int_equal(rooms_len(f->rooms), 1);
	assert_string_equal(ops(f)->room_id, "!b:x");
}

static void test_close_in_the_middle_of_a_look(void **state)
{
	struct fixture *f = *state;

	f->hold = true;
	f->wait_path = "/v3/directory/room/%23ops%3Ax";
	rooms_configure(f->rooms, &f->config);
	take_invitation(f, "!a:x", "@bot:x", "@boss:y", "invite");
	turn_until(&f->loop, &f->asked);
	rooms_close(f->rooms, turn_set, &f->rooms_closed);
	assert_false(f->rooms_closed);
	turn_until(&f->loop, &f->rooms_closed);
	assert_int_equal(f->changes, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	        TEST(test_alias_is_resolved_and_joined),
	        TEST(test_room_id_needs_no_directory),
	        TEST(test_alias_that_moved_is_followed),
	        TEST(test_alias_that_is_gone_does_not_take_the_room_away),
	        TEST(test_refused_join_says_why),
	        TEST(test_refused_join_of_who_is_banned),
	        TEST(test_room_that_cannot_be_reached_blocks_no_other),
	        TEST(test_failure_that_may_pass_is_tried_again),
	        TEST(test_answers_that_lead_elsewhere_are_refused),
	        TEST(test_encrypted_room_is_told_once),
	        TEST(test_room_is_not_ready_until_encryption_is_known),
	        TEST(test_once_encrypted_stays_so),
	        TEST(test_alias_of_an_encrypted_room_leads_to_no_plain_one),
	        TEST(test_room_from_storage_needs_the_alias_and_sync_alone),
	        TEST(test_room_from_storage_may_have_been_synced_before_the_alias),
	        TEST(test_room_from_storage_is_checked_when_sync_says_otherwise),
	        TEST(test_room_from_storage_may_have_been_upgraded),
	        TEST(test_room_from_storage_may_have_been_encrypted),
	        TEST(test_room_from_storage_may_have_moved),
	        TEST(test_room_from_storage_is_checked_without_sync),
	        TEST(test_encryption_in_sync_is_taken),
	        TEST(test_alias_does_not_lead_from_an_encrypted_room_to_a_plain_one),
	        TEST(test_tombstones_are_followed),
	        TEST(test_circle_of_tombstones_ends_in_its_last_room),
	        TEST(test_chain_of_tombstones_without_end_is_refused),
	        TEST(test_tombstone_that_leads_nowhere_does_not_take_the_room_away),
	        TEST(test_redacted_tombstone_leads_back_at_once),
	        TEST(test_successor_that_is_plain_is_refused_when_the_old_room_was_encrypted),
	        TEST(test_tombstone_in_sync_is_followed),
	        TEST(test_room_that_was_left_is_lost_and_joined_again),
	        TEST(test_who_was_banned_is_told_so),
	        TEST(test_power_to_write_is_known),
	        TEST(test_power_of_a_creator),
	        TEST(test_recheck_joins_anew),
	        TEST(test_invitation_is_accepted_from_a_configured_user_only),
	        TEST(test_invitation_to_a_configured_room_is_tried_at_once),
	        TEST(test_sync_of_any_shape_is_harmless),
	        TEST(test_reload_drops_and_adds_rooms_in_the_middle_of_a_look),
	        TEST(test_close_in_the_middle_of_a_look),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Tests of the socket's verbs behind the lines: when they answer, what waiters and subscribers are
 * told, and closing and reloading while a verb is under way.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "bot/base/alloc.h"
#include "bot/intake/server.h"
#include "bot/ops/ops.h"
#include "storage/sql.h"
#include "tests/unit/loop_fixture.h"
#include "tests/unit/turn.h"

#define ANSWERS_MAX 16
#define FLOOD 1500

struct opened {
	struct looped *l;
	struct courier *courier;
	struct ops *ops; /* NULL once closed */
	json_t *answers[ANSWERS_MAX];
	unsigned answered;
	unsigned lines; /* requests that came over the socket */
	reload_done_fn reload_done;
	void *reload_arg;
	uv_sem_t gate;
};

static void on_status(struct report_status *status, void *arg)
{
	status->problem = "";
	status->rooms = x_calloc(1, sizeof(*status->rooms));
}

static struct vault *on_vault(void *arg)
{
	return NULL;
}

static void on_reload(reload_done_fn done, void *done_arg, void *arg)
{
	struct opened *f = arg;

	f->reload_done = done;
	f->reload_arg = done_arg;
}

static int setup_with(void **state, const char *config)
{
	struct opened *f = x_calloc(1, sizeof(*f));
	struct courier_events events = {0};
	struct ops_env env;

	f->l = looped_begin(config);
	uv_sem_init(&f->gate, 0);
	f->courier = courier_create(&f->l->loop, f->l->writer, f->l->config, &events);
	env = (struct ops_env){
	        .loop = &f->l->loop,
	        .writer = f->l->writer,
	        .courier = f->courier,
	        .on_status = on_status,
	        .on_vault = on_vault,
	        .on_reload = on_reload,
	        .arg = f,
	};
	f->ops = ops_create(&env, f->l->config);
	*state = f;
	return 0;
}

static int setup(void **state)
{
	return setup_with(state, "");
}

static int setup_without_storms(void **state)
{
	return setup_with(state, "[delivery]\nstorm = 0\n");
}

static void close_ops(struct opened *f)
{
	bool closed = false;

	ops_close(f->ops, turn_set, &closed);
	looped_until(f->l, &closed);
	f->ops = NULL;
}

static int teardown(void **state)
{
	struct opened *f = *state;
	bool closed = false;

	if (f->ops)
		close_ops(f);
	courier_close(f->courier, turn_set, &closed);
	looped_until(f->l, &closed);
	looped_end(f->l);
	for (unsigned i = 0; i < f->answered; i++)
		json_decref(f->answers[i]);
	uv_sem_destroy(&f->gate);
	free(f);
	return 0;
}

static void on_answered(const json_t *answer, void *arg)
{
	struct opened *f = arg;

	assert_true(f->answered < ANSWERS_MAX);
	f->answers[f->answered++] = json_deep_copy(answer);
}

static void ask(struct opened *f, const char *text)
{
	struct alert_peer peer = {.uid = geteuid(), .gid = getegid(), .pid = getpid()};
	json_t *request = json_loads(text, 0, NULL);

	assert_non_null(request);
	ops_request(f->ops, request, &peer, reply_create_for(on_answered, f));
	json_decref(request);
}

static void wait_answers(struct opened *f, unsigned n)
{
	while (f->answered < n)
		uv_run(&f->l->loop, UV_RUN_ONCE);
}

static const char *member(struct opened *f, unsigned i, const char *name)
{
	const char *value = json_string_value(json_object_get(f->answers[i], name));

	return value ? value : "";
}

static bool is_ok(struct opened *f, unsigned i)
{
	return json_is_true(json_object_get(f->answers[i], "ok"));
}

static enum err wait_for_gate(struct store *store, void *arg)
{
	struct opened *f = arg;

	uv_sem_wait(&f->gate);
	return OK;
}

static void nothing(enum err result, const char *message, void *arg)
{
}

static void hold_writer(struct opened *f)
{
	writer_submit(f->l->writer, wait_for_gate, nothing, f);
	looped_turn(f->l, 2);
}

static void an_alert_is_answered_after_its_commit(void **state)
{
	struct opened *f = *state;

	hold_writer(f);
	ask(f, "{\"op\":\"alert\",\"app\":\"etl\",\"id\":\"a\"}");
	ask(f, "{\"op\":\"alert\",\"app\":\"etl\",\"id\":\"a\"}");
	looped_turn(f->l, 20);
	assert_int_equal(f->answered, 0);
	uv_sem_post(&f->gate);
	wait_answers(f, 2);
	assert_string_equal(member(f, 0, "state"), "queued");
	assert_string_equal(member(f, 1, "state"), "duplicate");
}

static void an_empty_name_is_no_name_of_a_run(void **state)
{
	struct opened *f = *state;

	ask(f, "{\"op\":\"resolve\",\"what\":\"\"}");
	wait_answers(f, 1);
	assert_non_null(strstr(member(f, 0, "message"), "Resolve what?"));
}

static void what_is_wrong_is_answered_at_once(void **state)
{
	struct opened *f = *state;

	ask(f, "{\"op\":\"statu\"}");
	ask(f, "{}");
	ask(f, "{\"op\":7}");
	ask(f, "{\"op\":\"alert\"}");
	wait_answers(f, 4);
	assert_non_null(strstr(member(f, 0, "message"), "did you mean \"status\""));
	for (unsigned i = 0; i < 3; i++)
		assert_string_equal(member(f, i, "field"), "op");
	assert_string_equal(member(f, 3, "field"), "app");
}

static void reload_is_answered_when_it_is_over(void **state)
{
	struct opened *f = *state;

	ask(f, "{\"op\":\"reload\"}");
	looped_turn(f->l, 5);
	assert_int_equal(f->answered, 0);
	f->reload_done("bot.conf:3: no such key\n", "", f->reload_arg);
	assert_int_equal(f->answered, 1);
	assert_false(is_ok(f, 0));
	assert_string_equal(member(f, 0, "error"), "config");
	assert_non_null(strstr(member(f, 0, "message"), "bot.conf:3: no such key"));
	ask(f, "{\"op\":\"reload\"}");
	f->reload_done("", "[http] listen", f->reload_arg);
	assert_true(is_ok(f, 1));
	assert_string_equal(
	        member(f, 1, "text"), "config reloaded\nrestart required for [http] listen\n");
}

struct order {
	struct opened *f;
	unsigned answered, other; /* so many answers; so many before that to the other app */
	unsigned failed;
};

static void on_flood_answered(const json_t *answer, void *arg)
{
	struct order *order = arg;

	order->answered++;
	order->failed += !json_is_true(json_object_get(answer, "ok"));
}

static void on_other_answered(const json_t *answer, void *arg)
{
	struct order *order = arg;

	assert_true(json_is_true(json_object_get(answer, "ok")));
	order->other = order->answered;
	on_flood_answered(answer, arg);
}

static void hand_in(struct order *order, const char *app, int run,
        void (*answered)(const json_t *answer, void *arg))
{
	struct alert_peer peer = {.uid = geteuid(), .gid = getegid(), .pid = getpid()};
	json_t *request = json_pack("{s:s, s:s, s:s, s:o}", "op", "alert", "app", app, "kind",
	        "node_failed", "run_id", json_sprintf("r-%d", run));

	ops_request(order->f->ops, request, &peer, reply_create_for(answered, order));
	json_decref(request);
}

/* One app's flood keeps another waiting for one commit of its alerts, not for all. */
static void another_app_waits_for_one_commit_of_a_flood(void **state)
{
	struct order order = {.f = *state};

	hold_writer(order.f);
	for (int i = 0; i < FLOOD; i++)
		hand_in(&order, "loop", i, on_flood_answered);
	hand_in(&order, "etl", 0, on_other_answered);
	uv_sem_post(&order.f->gate);
	while (order.answered < FLOOD + 1)
		uv_run(&order.f->l->loop, UV_RUN_ONCE);
	assert_int_equal(order.failed, 0);
	assert_true(order.other < 2); /* it is in the first commit, after one of the flood */
}

/* Some thousands may wait; then whoever has many is told to come again, and in the end everybody.
 */
static void what_waits_is_bounded(void **state)
{
	struct order order = {.f = *state};

	hold_writer(order.f);
	for (int i = 0; i < 4096; i++)
		hand_in(&order, "loop", i, on_flood_answered);
	assert_int_equal(order.answered, 0);
	hand_in(&order, "loop", 4096, on_flood_answered);
	assert_int_equal(order.failed, 1);
	for (int i = 0; i < 16; i++)
		hand_in(&order, "etl", i, on_flood_answered);
	assert_int_equal(order.failed, 1);
	hand_in(&order, "etl", 16, on_flood_answered);
	assert_int_equal(order.failed, 2);
	uv_sem_post(&order.f->gate);
	while (order.answered < 4096 + 18)
		uv_run(&order.f->l->loop, UV_RUN_ONCE);
	assert_int_equal(order.failed, 2);
}

static void refuse_alerts_when(struct opened *f, const char *condition)
{
	char *sql = x_asprintf("DROP TRIGGER IF EXISTS t; CREATE TRIGGER t BEFORE INSERT ON alerts "
	                       "WHEN %s BEGIN SELECT raise(ABORT, 'no'); END",
	        condition);

	assert_int_equal(sqlite3_exec(f->l->store->db, sql, NULL, NULL, NULL), SQLITE_OK);
	free(sql);
}

/* Alerts share a savepoint; one that cannot be stored costs the others nothing. */
static void an_alert_that_fails_fails_alone(void **state)
{
	struct order order = {.f = *state};

	refuse_alerts_when(order.f, "NEW.app = 'bad'");
	hold_writer(order.f);
	hand_in(&order, "etl", 0, on_flood_answered);
	hand_in(&order, "bad", 0, on_flood_answered);
	hand_in(&order, "etl", 1, on_other_answered);
	hand_in(&order, "dag", 0, on_other_answered);
	uv_sem_post(&order.f->gate);
	while (order.answered < 4)
		uv_run(&order.f->l->loop, UV_RUN_ONCE);
	assert_int_equal(order.failed, 1);
	ask(order.f, "{\"op\":\"alerts\"}");
	wait_answers(order.f, 1);
	assert_int_equal(json_array_size(json_object_get(order.f->answers[0], "alerts")), 3);
}

/* --- what reads much ----------------------------------------------------------------------- */

static const char *const reads[] = {"firing", "metrics", "alerts", "silences", "status"};

#define READS_LEN (sizeof(reads) / sizeof(*reads))

/* A client that left wants no answer. */
static void ask_and_leave(struct opened *f, const char *text)
{
	struct alert_peer peer = {.uid = geteuid(), .gid = getegid(), .pid = getpid()};
	json_t *request = json_loads(text, 0, NULL);

	ops_request(f->ops, request, &peer, reply_create_for(NULL, NULL));
	json_decref(request);
}

static void ask_all(struct opened *f, void (*ask_one)(struct opened *f, const char *text))
{
	for (size_t i = 0; i < READS_LEN; i++) {
		char *text = x_asprintf("{\"op\":\"%s\"}", reads[i]);

		ask_one(f, text);
		free(text);
	}
}

/* An alert waits for the first of them, not for all. */
static void what_reads_much_runs_one_at_a_time(void **state)
{
	struct opened *f = *state;
	unsigned place = 0;

	hold_writer(f);
	ask_all(f, ask);
	ask_all(f, ask);
	ask(f, "{\"op\":\"alert\",\"app\":\"etl\"}");
	uv_sem_post(&f->gate);
	wait_answers(f, 2 * READS_LEN + 1);
	while (!json_object_get(f->answers[place], "alert"))
		place++;
	assert_in_range(place, 0, 1);
}

static void what_nobody_waits_for_is_not_read(void **state)
{
	struct opened *f = *state;
	uint64_t before;

	/* what it ordered is done */
	ask_and_leave(f, "{\"op\":\"silence\",\"what\":\"app=etl\",\"duration\":\"1h\"}");
	ask(f, "{\"op\":\"silences\"}");
	wait_answers(f, 1);
	assert_int_equal(json_array_size(json_object_get(f->answers[0], "silences")), 1);
	before = writer_batches(f->l->writer);
	ask(f, "{\"op\":\"firing\"}");
	ask_all(f, ask_and_leave);
	ask(f, "{\"op\":\"alerts\"}");
	wait_answers(f, 3);
	assert_int_equal(writer_batches(f->l->writer), before + 2);
}

static void on_line(
        const json_t *request, const struct alert_peer *peer, struct reply *reply, void *arg)
{
	struct opened *f = arg;

	f->lines++;
	ops_request(f->ops, request, peer, reply);
}

/* A client that pipelines them has one under way, so that clients take turns. */
static void each_client_has_one_read_under_way(void **state)
{
	struct opened *f = *state;
	const struct server_events events = {.on_request = on_line, .arg = f};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct fault fault = {0};
	bool closed = false;
	struct server *server;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char text[256] = "";

	for (size_t i = 0; i < READS_LEN; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "{\"op\":\"%s\"}\n",
		        reads[i]);
	assert_int_equal(server_create(&server, &f->l->loop, f->l->config, &events, &fault), OK);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", f->l->config->socket.path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	hold_writer(f);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	while (f->lines == 0)
		uv_run(&f->l->loop, UV_RUN_ONCE);
	looped_turn(f->l, 10);
	assert_int_equal(f->lines, 1);
	uv_sem_post(&f->gate);
	while (f->lines < READS_LEN)
		uv_run(&f->l->loop, UV_RUN_ONCE);
	server_close(server, turn_set, &closed);
	looped_until(f->l, &closed);
	close(fd);
}

#define FIRING_APPS 200

/* However much fires, an answer is bounded in bytes. */
static void an_answer_is_bounded_in_bytes(void **state)
{
	struct opened *f = *state;
	char *text, long_text[4001];

	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	for (int i = 0; i < FIRING_APPS; i++) {
		text = x_asprintf(
		        "{\"op\":\"alert\",\"app\":\"app%d\",\"text\":\"%s\"}", i, long_text);
		looped_alert(f->l, text);
		free(text);
	}
	ask(f, "{\"op\":\"firing\"}");
	wait_answers(f, 1);
	text = json_dumps(f->answers[0], JSON_COMPACT);
	assert_in_range(strlen(text), 512 * 1024, 1024 * 1024);
	assert_true(json_array_size(json_object_get(f->answers[0], "alerts")) < FIRING_APPS);
	free(text);
}

/* --- from the spool ------------------------------------------------------------------------ */

struct taken {
	bool done;
	enum err result;
};

static void on_taken(enum err result, const char *message, void *arg)
{
	struct taken *taken = arg;

	taken->done = true;
	taken->result = result;
}

static enum err take(struct opened *f, const char *text)
{
	json_t *request = json_loads(text, 0, NULL);
	struct taken taken = {0};

	ops_take(f->ops, request, on_taken, &taken);
	assert_false(taken.done);
	looped_until(f->l, &taken.done);
	json_decref(request);
	return taken.result;
}

/* What the store rejects alone is invalid at once, also when nothing else is sent; when it rejects
 * everything, the spool keeps what it has. */
static void what_is_rejected_alone_is_invalid(void **state)
{
	struct opened *f = *state;

	refuse_alerts_when(f, "NEW.app = 'bad'");
	assert_int_equal(take(f, "{\"op\":\"alert\",\"app\":\"bad\"}"), ERR_INVALID);
	assert_int_equal(take(f, "{\"op\":\"alert\",\"app\":\"good\"}"), OK);
	refuse_alerts_when(f, "TRUE");
	assert_int_equal(take(f, "{\"op\":\"alert\",\"app\":\"good\"}"), ERR_CORRUPT);
	ask(f, "{\"op\":\"alerts\"}");
	wait_answers(f, 1);
	assert_int_equal(json_array_size(json_object_get(f->answers[0], "alerts")), 1);
}

/* --- lifetime ------------------------------------------------------------------------------ */

static void close_during_alert(void **state)
{
	struct opened *f = *state;
	bool closed = false;

	hold_writer(f);
	ask(f, "{\"op\":\"alert\",\"app\":\"etl\"}");
	ask(f, "{\"op\":\"alerts\"}");
	ops_close(f->ops, turn_set, &closed);
	looped_turn(f->l, 5);
	assert_false(closed);
	uv_sem_post(&f->gate);
	looped_until(f->l, &closed);
	f->ops = NULL;
	assert_int_equal(f->answered, 2);
	assert_string_equal(member(f, 0, "state"), "queued"); /* it was taken in, and told */
}

static void run_sql(struct opened *f, const char *sql)
{
	if (sqlite3_exec(f->l->store->db, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(f->l->store->db));
}

/* What will never be in a room is said at once. */
static void waiting_for_what_never_comes_ends(void **state)
{
	struct opened *f = *state;

	ask(f, "{\"op\":\"silence\",\"what\":\"app=night\",\"duration\":\"2h\"}");
	ask(f, "{\"op\":\"alert\",\"app\":\"night\"}");
	ask(f, "{\"op\":\"alert\",\"app\":\"etl\",\"status\":\"resolved\"}");
	ask(f, "{\"op\":\"alert\",\"app\":\"etl\"}");
	wait_answers(f, 4);
	ask(f, "{\"op\":\"wait\",\"alert\":1}");
	ask(f, "{\"op\":\"wait\",\"alert\":2}");
	wait_answers(f, 6);
	assert_string_equal(member(f, 4, "error"), "held_back");
	assert_string_equal(member(f, 5, "error"), "held_back");
	run_sql(f, "UPDATE outbox SET state = 'undeliverable';"
	           "UPDATE places SET outbox_id = (SELECT min(id) FROM outbox)");
	ask(f, "{\"op\":\"wait\",\"alert\":3}");
	wait_answers(f, 7);
	assert_string_equal(member(f, 6, "error"), "undeliverable");
	run_sql(f, "DELETE FROM outbox");
	ask(f, "{\"op\":\"wait\",\"alert\":3}");
	wait_answers(f, 8);
	assert_string_equal(member(f, 7, "error"), "discarded");
}

static void what_is_no_time_is_refused(void **state)
{
	struct opened *f = *state;

	ask(f, "{\"op\":\"silence\",\"what\":\"app=etl\",\"duration\":\"2h later\"}");
	ask(f, "{\"op\":\"silence\",\"what\":\"app=etl\",\"duration\":\"2h\"}");
	wait_answers(f, 2);
	assert_string_equal(member(f, 0, "field"), "duration");
	assert_true(is_ok(f, 1));
}

static void close_during_wait(void **state)
{
	struct opened *f = *state;

	ask(f, "{\"op\":\"alert\",\"app\":\"etl\"}");
	wait_answers(f, 1);
	ask(f, "{\"op\":\"wait\",\"alert\":1}");
	looped_turn(f->l, 20);
	assert_int_equal(f->answered, 1);
	close_ops(f);
	assert_int_equal(f->answered, 2);
	assert_false(is_ok(f, 1));
	assert_true(json_is_true(json_object_get(f->answers[1], "retry")));
}

static void close_during_reload(void **state)
{
	struct opened *f = *state;
	bool closed = false;

	ask(f, "{\"op\":\"reload\"}");
	ops_close(f->ops, turn_set, &closed);
	looped_turn(f->l, 5);
	assert_false(closed);
	f->reload_done("the daemon is stopping\n", "", f->reload_arg);
	looped_until(f->l, &closed);
	f->ops = NULL;
	assert_int_equal(f->answered, 1);
}

static void reload_during_command(void **state)
{
	struct opened *f = *state;
	struct config *fresh = looped_config(f->l, "[delivery]\nthrottle = 5s\n");

	hold_writer(f);
	ask(f, "{\"op\":\"status\"}");
	ask(f, "{\"op\":\"alert\",\"app\":\"etl\"}");
	ops_configure(f->ops, fresh);
	config_unref(fresh);
	uv_sem_post(&f->gate);
	wait_answers(f, 2);
	assert_true(is_ok(f, 0));
	assert_true(is_ok(f, 1));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(an_alert_is_answered_after_its_commit),
	        TEST(an_empty_name_is_no_name_of_a_run),
	        TEST(what_is_wrong_is_answered_at_once),
	        TEST(reload_is_answered_when_it_is_over),
	        TEST(another_app_waits_for_one_commit_of_a_flood),
	        TEST(an_alert_that_fails_fails_alone),
	        TEST(what_reads_much_runs_one_at_a_time),
	        TEST(what_nobody_waits_for_is_not_read),
	        TEST(what_is_rejected_alone_is_invalid),
	        TEST(each_client_has_one_read_under_way),
	        cmocka_unit_test_setup_teardown(
	                an_answer_is_bounded_in_bytes, setup_without_storms, teardown),
	        TEST(what_waits_is_bounded),
	        TEST(waiting_for_what_never_comes_ends),
	        TEST(what_is_no_time_is_refused),
	        TEST(close_during_alert),
	        TEST(close_during_wait),
	        TEST(close_during_reload),
	        TEST(reload_during_command),
	};

	x_alloc_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

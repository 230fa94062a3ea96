/*
 * test_spool.c - the spool folder on a real loop, both sides.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <grp.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "bot/base/clock.h"
#include "bot/client/spool_write.h"
#include "bot/intake/spool.h"
#include "bot/intake/spool_folder.h"

#define GUARD_MS 20000

struct fixture {
	uv_loop_t loop;
	uv_timer_t tick;
	struct spool *spool;
	char folder[64], path[96];
	char *ids[64]; /* of the requests that came */
	char *notes[64];
	char at[32]; /* of the last one */
	int count;
	enum err result; /* what they are answered with */
	const char *odd; /* an id that is answered with ERR_CORRUPT */
	int odd_tries;
	bool hold; /* not answered at once */
	bool closed;
};

static void on_request(const json_t *request, void *arg)
{
	struct fixture *f = arg;

	f->ids[f->count] = strdup(json_string_value(json_object_get(request, "id")));
	f->notes[f->count++] = json_dumps(json_object_get(request, "n"), JSON_ENCODE_ANY);
	snprintf(f->at, sizeof(f->at), "%s", json_string_value(json_object_get(request, "at")));
	if (f->odd && strcmp(f->ids[f->count - 1], f->odd) == 0) {
		free(f->ids[--f->count]);
		free(f->notes[f->count]);
		f->odd_tries++;
		spool_done(f->spool, ERR_CORRUPT, "refused by the store");
	} else if (!f->hold)
		spool_done(f->spool, f->result, NULL);
}

static void on_tick(uv_timer_t *timer)
{
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->folder, "/tmp/test_spool.XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->path, sizeof(f->path), "%s/spool", f->folder);
	assert_int_equal(uv_loop_init(&f->loop), 0);
	uv_timer_init(&f->loop, &f->tick);
	uv_timer_start(&f->tick, on_tick, 5, 5);
	*state = f;
	return 0;
}

static void start(struct fixture *f)
{
	const struct spool_events events = {.on_request = on_request, .arg = f};
	struct fault fault;
	assert_int_equal(spool_create(&f->spool, &f->loop, f->path, &events, &fault), OK);
}

static void on_closed(void *arg)
{
	((struct fixture *)arg)->closed = true;
}

static void turn(struct fixture *f, int64_t since_ms)
{
	assert_true(clock_monotonic_ms() - since_ms < GUARD_MS);
	uv_run(&f->loop, UV_RUN_ONCE);
}

static void stop(struct fixture *f)
{
	int64_t since = clock_monotonic_ms();
	struct spool *spool = f->spool;

	f->spool = NULL;
	f->closed = false;
	spool_close(spool, on_closed, f);
	while (!f->closed)
		turn(f, since);
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	if (f->spool)
		stop(f);
	for (int i = 0; i < f->count; i++) {
		free(f->ids[i]);
		free(f->notes[i]);
	}
	uv_close((uv_handle_t *)&f->tick, NULL);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	snprintf(command, sizeof(command), "rm -r %s", f->folder);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

static void wait_count(struct fixture *f, int count)
{
	int64_t since = clock_monotonic_ms();
	while (f->count < count)
		turn(f, since);
}

static bool exists(struct fixture *f, const char *name)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/%s", f->path, name);
	struct stat st;
	return lstat(path, &st) == 0;
}

static void wait_gone(struct fixture *f, const char *name)
{
	int64_t since = clock_monotonic_ms();
	while (exists(f, name))
		turn(f, since);
}

static void leave(struct fixture *f, int n, char name[SPOOL_NAME_MAX])
{
	struct fault fault;
	json_t *request = json_pack("{s:s, s:i}", "app", "a", "n", n);
	assert_int_equal(spool_write(f->path, request, name, &fault), OK);
	json_decref(request);
}

static void rename_in(struct fixture *f, const char *from, const char *to)
{
	char old[256], new[256];
	snprintf(old, sizeof(old), "%s/%s", f->path, from);
	snprintf(new, sizeof(new), "%s/%s", f->path, to);
	assert_int_equal(rename(old, new), 0);
}

static void write_raw(struct fixture *f, const char *name, const char *text)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/%s", f->path, name);
	FILE *file = fopen(path, "w");
	fputs(text, file);
	fclose(file);
}

static void leave_raw(struct fixture *f, const char *name, const char *text)
{
	write_raw(f, ".hidden", text);
	rename_in(f, ".hidden", name);
}

static void files_come_in_order_and_are_deleted(void **state)
{
	struct fixture *f = *state;
	char names[20][SPOOL_NAME_MAX];

	for (int i = 0; i < 20; i++)
		leave(f, i, names[i]);
	start(f);
	wait_count(f, 20);
	wait_gone(f, names[19]);
	for (int i = 0; i < 20; i++) {
		assert_string_equal(f->ids[i], names[i]);
		assert_int_equal(atoi(f->notes[i]), i);
		assert_false(exists(f, names[i]));
	}
}

static void a_file_that_appears_while_running_is_taken(void **state)
{
	struct fixture *f = *state;
	char name[SPOOL_NAME_MAX];
	int64_t since = clock_monotonic_ms();

	start(f);
	for (int i = 0; i < 5; i++)
		uv_run(&f->loop, UV_RUN_ONCE);
	leave(f, 7, name);
	wait_count(f, 1);
	wait_gone(f, name);
	/* By the watch, not by the next scan. */
	assert_true(clock_monotonic_ms() - since < SPOOL_RESCAN_MS - 1000);
}

static void a_new_folder_in_its_place_is_found(void **state)
{
	struct fixture *f = *state;
	char name[SPOOL_NAME_MAX];

	start(f);
	for (int i = 0; i < 5; i++)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(rmdir(f->path), 0);
	leave(f, 1, name);
	wait_count(f, 1);
	wait_gone(f, name);
}

static void what_is_no_alert_is_renamed(void **state)
{
	struct fixture *f = *state;

	start(f);
	leave_raw(f, ".hidden.json", "{}");
	leave_raw(f, "1-1-0.json", "nonsense");
	leave_raw(f, "2-1-0.json", "{\"op\":\"status\"}");
	leave_raw(f, "4-1-0.json", "{\"app\":\"a\",\"id\":\"mine\"}");
	wait_count(f, 1);
	assert_string_equal(f->ids[0], "mine");
	wait_gone(f, "4-1-0.json");
	assert_true(exists(f, "1-1-0.json.bad"));
	assert_true(exists(f, "2-1-0.json.bad"));
	assert_true(exists(f, ".hidden.json"));
	f->result = ERR_INVALID;
	leave_raw(f, "5-1-0.json", "{\"app\":\"a\"}");
	wait_count(f, 2);
	wait_gone(f, "5-1-0.json");
	assert_true(exists(f, "5-1-0.json.bad"));
}

/* The store refuses one for ever: the others are taken in, and it is told. */
static void what_the_store_refuses_alone_holds_up_nothing(void **state)
{
	struct fixture *f = *state;

	f->odd = "odd";
	mkdir(f->path, 0700);
	leave_raw(f, "1-1-0.json", "{\"app\":\"a\",\"id\":\"odd\"}");
	leave_raw(f, "2-1-0.json", "{\"app\":\"a\",\"id\":\"two\"}");
	leave_raw(f, "3-1-0.json", "{\"app\":\"a\",\"id\":\"three\"}");
	start(f);
	wait_count(f, 2);
	assert_string_equal(f->ids[0], "two");
	assert_string_equal(f->ids[1], "three");
	wait_gone(f, "1-1-0.json");
	assert_true(exists(f, "1-1-0.json.bad"));
	assert_int_equal(f->odd_tries, 3);
	leave_raw(f, "4-1-0.json", "{\"app\":\"a\",\"id\":\"four\"}");
	wait_count(f, 3);
	wait_gone(f, "4-1-0.json");
	assert_int_equal(spool_bad(f->spool), 1);
}

/* All are refused: the database is to blame, and none of them is given up. */
static void what_the_store_refuses_at_all_waits(void **state)
{
	struct fixture *f = *state;
	int64_t since;

	mkdir(f->path, 0700);
	f->result = ERR_CORRUPT;
	leave_raw(f, "1-1-0.json", "{\"app\":\"a\",\"id\":\"one\"}");
	leave_raw(f, "2-1-0.json", "{\"app\":\"a\",\"id\":\"two\"}");
	start(f);
	wait_count(f, 6);
	since = clock_monotonic_ms();
	f->result = OK;
	while (exists(f, "1-1-0.json") || exists(f, "2-1-0.json"))
		turn(f, since);
	assert_false(exists(f, "1-1-0.json.bad") || exists(f, "2-1-0.json.bad"));
}

/* A fault that is everybody's: the order is kept. */
static void what_the_disk_refuses_waits_in_order(void **state)
{
	struct fixture *f = *state;

	mkdir(f->path, 0700);
	f->result = ERR_FULL;
	leave_raw(f, "1-1-0.json", "{\"app\":\"a\",\"id\":\"one\"}");
	leave_raw(f, "2-1-0.json", "{\"app\":\"a\",\"id\":\"two\"}");
	start(f);
	wait_count(f, 1);
	f->result = OK;
	wait_count(f, 3);
	assert_string_equal(f->ids[1], "one");
	assert_string_equal(f->ids[2], "two");
}

/* Neither of them can be opened for reading, now or ever. */
static void what_is_no_file_holds_up_nothing(void **state)
{
	struct fixture *f = *state;
	char path[256];

	start(f);
	leave_raw(f, ".hidden", "{\"app\":\"a\",\"id\":\"mine\"}");
	snprintf(path, sizeof(path), "%s/1-1-0.json", f->path);
	assert_int_equal(mknod(path, S_IFSOCK | 0600, 0), 0);
	snprintf(path, sizeof(path), "%s/2-1-0.json", f->path);
	assert_int_equal(symlink("nowhere", path), 0);
	snprintf(path, sizeof(path), "%s/3-1-0.json", f->path);
	assert_int_equal(mkfifo(path, 0600), 0);
	snprintf(path, sizeof(path), "%s/4-1-0.json", f->path);
	assert_int_equal(mkdir(path, 0700), 0);
	rename_in(f, ".hidden", "5-1-0.json");
	wait_count(f, 1);
	assert_string_equal(f->ids[0], "mine");
	for (char i = '1'; i <= '4'; i++) {
		char name[] = "0-1-0.json.bad";
		name[0] = i;
		assert_true(exists(f, name));
	}
}

/* Nothing can prove that it is this file alone; it is not tried for ever. A lease makes opening
 * fail, as a disk error would. */
static void what_cannot_be_opened_alone_is_told(void **state)
{
	struct fixture *f = *state;
	char path[256];
	int fd;

	signal(SIGIO, SIG_IGN);
	mkdir(f->path, 0700);
	write_raw(f, ".hidden", "{\"app\":\"a\"}");
	snprintf(path, sizeof(path), "%s/.hidden", f->path);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(fcntl(fd, F_SETLEASE, F_WRLCK), 0);
	rename_in(f, ".hidden", "1-1-0.json");
	start(f);
	wait_gone(f, "1-1-0.json");
	assert_true(exists(f, "1-1-0.json.bad"));
	close(fd);
}

static struct spool_file spool_file_of(const char *name, uid_t owner)
{
	return (struct spool_file){.name = (char *)name, .owner = owner};
}

/* One owner's flood delays no other's, and each owner's files stay in order. */
static void owners_take_turns(void **state)
{
	struct spool_file files[] = {
	        spool_file_of("15", 2000),
	        spool_file_of("07", 1000),
	        spool_file_of("12", 1000),
	        spool_file_of("09", 1000),
	        spool_file_of("14", 3000),
	        spool_file_of("08", 1000),
	        spool_file_of("13", 2000),
	        spool_file_of("11", 1000),
	};
	static const char *const order[] = {"07", "13", "14", "08", "15", "09", "11", "12"};

	spool_list_order(files, 8);
	for (size_t i = 0; i < 8; i++)
		assert_string_equal(files[i].name, order[i]);
}

/* Not only at the end of a long list. */
static void what_comes_meanwhile_gets_its_turn(void **state)
{
	struct fixture *f = *state;
	char name[32];

	mkdir(f->path, 0700);
	f->hold = true;
	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "%d-1-0.json", 10 + i);
		leave_raw(f, name, "{\"app\":\"a\"}");
	}
	start(f);
	wait_count(f, 1);
	leave_raw(f, "00-1-0.json", "{\"app\":\"a\"}"); /* before all others */
	while (strcmp(f->ids[f->count - 1], "00-1-0.json") != 0) {
		int64_t since = clock_monotonic_ms();

		while (clock_monotonic_ms() < since + SPOOL_OLD_MS / 10)
			turn(f, since);
		spool_done(f->spool, OK, NULL);
		wait_count(f, f->count + 1);
	}
	assert_true(f->count <= 40);
	spool_done(f->spool, OK, NULL);
}

static void a_crash_before_the_delete_gives_the_same_id_again(void **state)
{
	struct fixture *f = *state;
	char name[SPOOL_NAME_MAX];

	f->result = ERR_FULL;
	leave(f, 1, name);
	start(f);
	wait_count(f, 1);
	stop(f);
	assert_true(exists(f, name));
	f->result = OK;
	start(f);
	wait_count(f, 2);
	assert_string_equal(f->ids[0], f->ids[1]);
	wait_gone(f, name);
}

static void closing_waits_for_what_is_in_hand(void **state)
{
	struct fixture *f = *state;
	char names[2][SPOOL_NAME_MAX];
	struct spool *spool;
	int64_t since = clock_monotonic_ms();

	f->hold = true;
	leave(f, 1, names[0]);
	leave(f, 2, names[1]);
	start(f);
	wait_count(f, 1);
	spool = f->spool;
	f->spool = NULL;
	spool_close(spool, on_closed, f);
	for (int i = 0; i < 5; i++)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_false(f->closed);
	spool_done(spool, OK, NULL);
	while (!f->closed)
		turn(f, since);
	assert_false(exists(f, names[0]));
	assert_true(exists(f, names[1]));
	assert_int_equal(f->count, 1);
}

/* Hours may pass before the daemon is back. */
static void what_waited_happened_when_it_was_written(void **state)
{
	static const struct {
		int64_t written_ms; /* since 1970; 0 = an hour ahead */
		const char *text, *at;
	} cases[] = {
	        {INT64_C(1790000000250), "{\"app\":\"a\"}", "2026-09-21T14:13:20.250Z"},
	        {INT64_C(1790000000250), "{\"app\":\"a\",\"at\":\"2026-09-21T10:00:00Z\"}",
	                "2026-09-21T10:00:00Z"},
	        {0, "{\"app\":\"a\"}", NULL}, /* a clock that was wrong: now */
	};
	struct fixture *f = *state;
	char path[256];

	start(f);
	for (int i = 0; i < 3; i++) {
		int64_t ms =
		        cases[i].written_ms ? cases[i].written_ms : clock_now_ms() + CLOCK_HOUR_MS;
		struct timespec times[2] = {{.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}};
		int64_t got_ms;

		times[1] = times[0];
		write_raw(f, ".hidden", cases[i].text);
		snprintf(path, sizeof(path), "%s/.hidden", f->path);
		assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
		rename_in(f, ".hidden", "1-1-1.json");
		wait_count(f, i + 1);
		wait_gone(f, "1-1-1.json");
		if (cases[i].at)
			assert_string_equal(f->at, cases[i].at);
		assert_true(clock_parse_rfc3339(f->at, &got_ms));
		assert_true(got_ms <= clock_now_ms());
	}
}

static void a_spooled_file_is_private_to_user_and_group(void **state)
{
	struct fixture *f = *state;
	char name[SPOOL_NAME_MAX], path[256];
	mode_t mask = umask(077);
	struct stat st;

	leave(f, 1, name);
	umask(mask);
	snprintf(path, sizeof(path), "%s/%s", f->path, name);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
}

/* A user outside of the folder's group can only let everybody in the folder read it. */
static void what_a_stranger_leaves_can_be_read(void **state)
{
	struct fixture *f = *state;
	char name[SPOOL_NAME_MAX], path[256];
	int ready[2], status;
	struct stat st;
	pid_t pid;

	if (geteuid() != 0)
		skip();
	assert_int_equal(chmod(f->folder, 0755), 0);
	assert_int_equal(mkdir(f->path, 0700), 0);
	assert_int_equal(chown(f->path, 1234, 5678), 0);
	assert_int_equal(chmod(f->path, 01777), 0);
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		gid_t group = 4711;

		umask(077);
		if (setgroups(1, &group) != 0 || setgid(group) != 0 || setuid(4711) != 0)
			_exit(1);
		leave(f, 1, name);
		_exit(write(ready[1], name, sizeof(name)) != (ssize_t)sizeof(name));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(read(ready[0], name, sizeof(name)), sizeof(name));
	close(ready[0]);
	close(ready[1]);
	snprintf(path, sizeof(path), "%s/%s", f->path, name);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, 4711);
	assert_int_equal(st.st_gid, 4711);
	assert_true(st.st_mode & S_IROTH);
}

/* An operator at a root prompt hands one in; the daemon runs as another user. */
static void what_root_leaves_belongs_to_the_folders_owner(void **state)
{
	struct fixture *f = *state;
	char name[SPOOL_NAME_MAX], path[256];
	struct stat st;

	if (geteuid() != 0)
		skip();
	assert_int_equal(chown(f->folder, 1234, 5678), 0);
	leave(f, 1, name);
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_uid, 1234);
	assert_int_equal(st.st_gid, 5678);
	snprintf(path, sizeof(path), "%s/%s", f->path, name);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, 1234);
	assert_int_equal(st.st_gid, 5678);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	        T(files_come_in_order_and_are_deleted),
	        T(a_file_that_appears_while_running_is_taken),
	        T(a_new_folder_in_its_place_is_found),
	        T(what_is_no_alert_is_renamed),
	        T(what_is_no_file_holds_up_nothing),
	        T(what_the_store_refuses_alone_holds_up_nothing),
	        T(what_the_store_refuses_at_all_waits),
	        T(what_the_disk_refuses_waits_in_order),
	        T(what_cannot_be_opened_alone_is_told),
	        T(owners_take_turns),
	        T(what_comes_meanwhile_gets_its_turn),
	        T(a_crash_before_the_delete_gives_the_same_id_again),
	        T(closing_waits_for_what_is_in_hand),
	        T(what_waited_happened_when_it_was_written),
	        T(a_spooled_file_is_private_to_user_and_group),
	        T(what_a_stranger_leaves_can_be_read),
	        T(what_root_leaves_belongs_to_the_folders_owner),
	};
#undef T
	return cmocka_run_group_tests(tests, NULL, NULL);
}

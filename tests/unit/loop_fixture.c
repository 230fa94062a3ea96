/*
 * loop_fixture.c - see loop_fixture.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/loop_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "handlers/alerts/deliver.h"
#include "tests/unit/turn.h"

#define TICK_MS 10

static void file_write(const char *folder, const char *name, const char *text)
{
	char *path = x_asprintf("%s/%s", folder, name);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	assert_int_equal(chmod(path, 0600), 0);
	free(path);
}

void looped_write_config(struct looped *l, const char *more)
{
	char *text = x_asprintf("[matrix]\nhomeserver = http://127.0.0.1:1\nuser = " FIXTURE_USER
	                        "\ntoken_file = %s/token\n[encryption]\npickle_key_file = "
	                        "%s/pickle_key\n[storage]\ndatabase = %s/operations.db\n"
	                        "[socket]\npath = %s/socket\n[rooms]\nops = " FIXTURE_OPS
	                        "\ndev = !dev:fake.local\n%s",
	        l->folder, l->folder, l->folder, l->folder, more);

	file_write(l->folder, "bot.conf", text);
	free(text);
}

struct config *looped_config(struct looped *l, const char *more)
{
	struct config *config;
	struct buf report;

	looped_write_config(l, more);
	buf_init(&report, 65536);
	if (config_load(l->config_path, &config, &report) != OK)
		fail_msg("%s", buf_str(&report));
	buf_finish(&report);
	return config;
}

struct looped *looped_begin(const char *more)
{
	struct looped *l = x_calloc(1, sizeof(*l));
	struct fault fault = {0};

	strcpy(l->folder, "/tmp/test-loop.XXXXXX");
	assert_non_null(mkdtemp(l->folder));
	snprintf(l->config_path, sizeof(l->config_path), "%s/bot.conf", l->folder);
	file_write(l->folder, "token", "good\n");
	file_write(l->folder, "pickle_key", "0123456789abcdef0123456789abcdef0123456789a=\n");
	l->config = looped_config(l, more);
	if (store_open(&l->store, l->config->storage.database, &fault) != OK)
		fail_msg("store_open: %s", fault.text);
	assert_int_equal(uv_loop_init(&l->loop), 0);
	l->writer = writer_create(&l->loop, l->store);
	assert_non_null(l->writer);
	script_begin(&l->loop);
	return l;
}

static void folder_remove(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		if (unlinkat(dirfd(dir), entry->d_name, 0) != 0 && entry->d_name[0] != '.')
			unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR);
	closedir(dir);
	assert_int_equal(rmdir(folder), 0);
}

void looped_end(struct looped *l)
{
	bool writer_closed = !l->writer, http_closed = !l->http;

	if (l->http) {
		mx_destroy(l->mx);
		http_close(l->http, turn_set, &http_closed);
		looped_until(l, &http_closed);
	}
	if (l->writer) {
		writer_close(l->writer, turn_set, &writer_closed);
		looped_until(l, &writer_closed);
	}
	assert_int_equal(turn_end(&l->loop), 0);
	script_end();
	store_close(l->store);
	config_unref(l->config);
	folder_remove(l->folder);
	free(l);
}

void looped_client(struct looped *l)
{
	struct http_options options = {.user_agent = "test"};

	assert_int_equal(http_create(&l->http, &l->loop, &options), OK);
	l->mx = mx_create(l->http, "http://127.0.0.1:1", NULL);
	assert_int_equal(mx_set_token(l->mx, "good"), OK);
}

void looped_until(struct looped *l, const bool *flag)
{
	turn_until(&l->loop, flag);
}

static void on_tick(uv_timer_t *timer)
{
}

void looped_wait(struct looped *l, bool (*what)(void *arg), void *arg)
{
	int64_t end_ms = clock_monotonic_ms() + TURN_GUARD_MS;
	uv_timer_t timer;

	/* so that what no event tells is looked at too */
	uv_timer_init(&l->loop, &timer);
	uv_timer_start(&timer, on_tick, TICK_MS, TICK_MS);
	while (!what(arg)) {
		uv_run(&l->loop, UV_RUN_ONCE);
		assert_true(clock_monotonic_ms() < end_ms);
	}
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&l->loop, UV_RUN_NOWAIT);
}

void looped_turn(struct looped *l, unsigned n)
{
	while (n-- > 0)
		uv_run(&l->loop, UV_RUN_NOWAIT);
}

struct job {
	writer_work_fn work;
	void *arg;
	enum err result;
	bool done;
};

static enum err job_work(struct store *store, void *arg)
{
	struct job *job = arg;

	return job->work(store, job->arg);
}

static void job_done(enum err result, const char *message, void *arg)
{
	struct job *job = arg;

	job->result = result;
	job->done = true;
}

enum err looped_work(struct looped *l, writer_work_fn work, void *arg)
{
	struct job job = {.work = work, .arg = arg};

	writer_submit(l->writer, job_work, job_done, &job);
	looped_until(l, &job.done);
	return job.result;
}

struct alert_job {
	struct config *config;
	const char *json;
};

static enum err alert_work(struct store *store, void *arg)
{
	struct alert_job *job = arg;
	struct deliver d = {.store = store, .config = job->config, .now_ms = clock_now_ms()};
	json_t *request = json_loads(job->json, 0, NULL);
	struct deliver_receipt receipt;
	struct alert_fault fault;
	struct alert *alert;
	enum err err = alert_parse(request, job->config, d.now_ms, &alert, &fault);

	if (err == OK) {
		err = deliver_accept(&d, alert, &receipt);
		alert_destroy(alert);
	}
	json_decref(request);
	return err;
}

void looped_alert(struct looped *l, const char *json)
{
	struct alert_job job = {l->config, json};

	assert_int_equal(looped_work(l, alert_work, &job), OK);
}

void looped_good_homeserver(void)
{
	static const char none[] = "{\"errcode\":\"M_NOT_FOUND\",\"error\":\"none\"}";

	script_rule("GET", "/", 404, none);
	script_rule("PUT", "/v3/", 200, "{}");
	script_rule("POST", "/v3/", 200, "{}");
	script_rule("GET", "/versions", 200, "{\"versions\":[\"v1.11\"]}");
	script_rule("GET", "/v3/account/whoami", 200,
	        "{\"user_id\":\"" FIXTURE_USER "\",\"device_id\":\"DEV1\"}");
	script_rule("POST", "/v3/user/", 200, "{\"filter_id\":\"1\"}");
	script_rule("POST", "/v3/join/%21ops", 200, "{\"room_id\":\"" FIXTURE_OPS "\"}");
	script_rule("POST", "/v3/join/%21dev", 200, "{\"room_id\":\"!dev:fake.local\"}");
	script_rule("POST", "/v3/keys/upload", 200,
	        "{\"one_time_key_counts\":{\"signed_curve25519\":50}}");
	script_rule("POST", "/v3/keys/query", 200, "{\"device_keys\":{}}");
	script_rule("GET", "/v3/sync", 200, NULL);
	script_rule("PUT", "/v3/rooms/", 200, NULL); /* sends wait for the test */
}

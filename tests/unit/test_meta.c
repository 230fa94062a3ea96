/*
 * test_meta.c - the channels of [meta]: commands that hang, fail and flood, a second account and
 * a ping against a scripted server; what they did is seen in the log, which the tests read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include "bot/base/alloc.h"
#include "bot/meta/exec.h"
#include "bot/meta/meta.h"
#include "tests/unit/peer.h"
#include "tests/unit/turn.h"

#define V3 "/_matrix/client/v3"
#define TEXT "the bot is silent\nsince 09:05 \xE2\x80\x94 \"go and look\""

struct fixture {
	uv_loop_t loop;
	struct peer *peer;
	struct exec *exec;
	struct meta *meta;
	struct config *config;
	char folder[64];
	int log_fd, saved_stderr;
	/* what the homeserver does */
	const char *good; /* the token it takes */
	bool encrypted, mute;
	int busy;      /* 502s still to be given to sends */
	int pings_bad; /* 500s still to be given to pings */
	/* what it got */
	unsigned joins, sends, pings;
	char txn[2][128], sent[1024];
	bool closed, peer_closed;
};

/* ---- the log ---- */

static char *log_read(struct fixture *f)
{
	static char text[64 * 1024];
	ssize_t len = pread(f->log_fd, text, sizeof(text) - 1, 0);

	text[len > 0 ? len : 0] = '\0';
	return text;
}

struct waiting {
	struct fixture *f;
	const char *text; /* for the log, or NULL */
	const char *path; /* a file that is to be there and have a line, or NULL */
	bool there;
};

static bool file_has_line(const char *path)
{
	char line[256];
	FILE *file = fopen(path, "r");
	bool has = file && fgets(line, sizeof(line), file) && strchr(line, '\n');

	if (file)
		fclose(file);
	return has;
}

static void on_look(uv_timer_t *timer)
{
	struct waiting *waiting = timer->data;

	waiting->there = waiting->text ? strstr(log_read(waiting->f), waiting->text) != NULL
	                               : file_has_line(waiting->path);
}

static void wait_until(struct waiting *waiting)
{
	uv_timer_t timer;

	uv_timer_init(&waiting->f->loop, &timer);
	timer.data = waiting;
	uv_timer_start(&timer, on_look, 0, 5);
	turn_until(&waiting->f->loop, &waiting->there);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&waiting->f->loop, UV_RUN_NOWAIT);
}

static void wait_log(struct fixture *f, const char *text)
{
	wait_until(&(struct waiting){.f = f, .text = text});
}

static void wait_file(struct fixture *f, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", f->folder, name);
	wait_until(&(struct waiting){.f = f, .path = path});
}

/* ---- files ---- */

static void write_file(struct fixture *f, const char *name, mode_t mode, const char *text)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", f->folder, name);
	fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, mode);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static char *read_file(struct fixture *f, const char *name)
{
	static char text[8192];
	char path[128];
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", f->folder, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	len = read(fd, text, sizeof(text) - 1);
	assert_true(len >= 0);
	text[len] = '\0';
	close(fd);
	return text;
}

/* ---- the homeserver, which is the pinged one too ---- */

static void on_send(struct fixture *f, struct peer_request *request)
{
	const char *slash = strrchr(peer_target(request), '/');

	snprintf(f->txn[f->sends % 2], sizeof(f->txn[0]), "%s", slash + 1);
	snprintf(f->sent, sizeof(f->sent), "%s", peer_body(request));
	f->sends++;
	if (f->busy > 0) {
		f->busy--;
		peer_answer(request, 502, NULL, "");
	} else {
		peer_answer_json(request, 200, "{s:s}", "event_id", "$e");
	}
}

static void on_request(struct peer_request *request, void *arg)
{
	struct fixture *f = arg;
	const char *target = peer_target(request);
	char bearer[64];

	if (f->mute)
		return;
	snprintf(bearer, sizeof(bearer), "Bearer %s", f->good);
	if (strcmp(target, "/ping/s3cret") == 0) {
		f->pings++;
		peer_answer(request, f->pings_bad-- > 0 ? 500 : 200, NULL, "OK");
	} else if (peer_is(request, "GET", "/_matrix/client/versions")) {
		peer_answer_json(request, 200, "{s:[s]}", "versions", "v1.11");
	} else if (strcmp(peer_header(request, "authorization"), bearer) != 0) {
		peer_answer_json(
		        request, 401, "{s:s, s:s}", "errcode", "M_UNKNOWN_TOKEN", "error", "no");
	} else if (peer_is(request, "POST", V3 "/join/%23ops%3Aexample.org")) {
		f->joins++;
		peer_answer_json(request, 200, "{s:s}", "room_id", "!ops:example.org");
	} else if (peer_is(request, "GET",
	                   V3 "/rooms/%21ops%3Aexample.org/state/m.room.encryption/")) {
		if (f->encrypted)
			peer_answer_json(request, 200, "{}");
		else
			peer_answer_json(request, 404, "{s:s, s:s}", "errcode", "M_NOT_FOUND",
			        "error", "no");
	} else if (strncmp(target, V3 "/rooms/%21ops%3Aexample.org/send/m.room.message/", 58) ==
	           0) {
		on_send(f, request);
	} else {
		peer_answer(request, 418, NULL, "");
	}
}

/* ---- life ---- */

static int set_up(void **state)
{
	struct fixture *f = x_calloc(1, sizeof(*f));
	char path[128];

	strcpy(f->folder, "/tmp/test_meta.XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	snprintf(path, sizeof(path), "%s/log", f->folder);
	f->log_fd = open(path, O_CREAT | O_RDWR | O_APPEND | O_CLOEXEC, 0600);
	assert_true(f->log_fd >= 0);
	f->saved_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	assert_true(dup2(f->log_fd, STDERR_FILENO) >= 0);
	log_setup(LOG_DEBUG, LOG_TEXT);
	assert_int_equal(uv_loop_init(&f->loop), 0);
	f->peer = peer_create(&f->loop, on_request, f);
	f->good = "good";
	write_file(f, "token", 0600, "good\n");
	*state = f;
	return 0;
}

static void begin(struct fixture *f, const char *meta)
{
	char text[1024], path[128];
	struct buf report;

	snprintf(path, sizeof(path), "%s/bot.conf", f->folder);
	snprintf(text, sizeof(text),
	        "[matrix]\nhomeserver = example.org\nuser = @bot:example.org\nproxy = http://x\n"
	        "[rooms]\nops = #ops:example.org\n[meta]\n%s",
	        meta);
	buf_init(&report, 4096);
	config_parse(text, path, &f->config, &report);
	if (!f->config)
		fail_msg("%s", buf_str(&report));
	buf_finish(&report);
	free(f->config->matrix.proxy); /* not that of the test's environment either */
	f->config->matrix.proxy = x_strdup("");
	f->meta = meta_create(&f->loop, f->config);
}

/* With the second account on the scripted server. */
static void begin_second(struct fixture *f, const char *more)
{
	char text[512];

	snprintf(text, sizeof(text),
	        "homeserver = %s\nuser = @watcher:example.org\ntoken_file = token\n%s",
	        peer_url(f->peer), more);
	begin(f, text);
}

static void end(struct fixture *f)
{
	if (f->exec)
		exec_close(f->exec, turn_set, &f->closed);
	else if (f->meta)
		meta_close(f->meta, turn_set, &f->closed);
	f->exec = NULL;
	f->meta = NULL;
	turn_until(&f->loop, &f->closed);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	char command[128];

	if (f->exec || f->meta)
		end(f);
	peer_close(f->peer, turn_set, &f->peer_closed);
	turn_until(&f->loop, &f->peer_closed);
	assert_int_equal(turn_end(&f->loop), 0);
	config_unref(f->config);
	assert_true(dup2(f->saved_stderr, STDERR_FILENO) >= 0);
	close(f->saved_stderr);
	close(f->log_fd);
	snprintf(command, sizeof(command), "rm -rf %s", f->folder);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

static void begin_exec(struct fixture *f, int64_t limit_ms, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

static void begin_exec(struct fixture *f, int64_t limit_ms, const char *format, ...)
{
	char command[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	f->exec = exec_create(&f->loop, command, limit_ms);
}

/* ---- exec ---- */

static void test_exec_gets_the_text(void **state)
{
	struct fixture *f = *state;

	setenv("NOTIFY_SOCKET", "/nowhere", 1);
	setenv("CREDENTIALS_DIRECTORY", "/nowhere", 1);
	setenv("KEPT", "yes", 1);
	begin_exec(f, 20000,
	        "sh -c 'cat > \"$0\"; echo \"$1:$NOTIFY_SOCKET:$CREDENTIALS_DIRECTORY:$KEPT\"' "
	        "%s/got 'two  words'",
	        f->folder);
	exec_run(f->exec, TEXT);
	wait_log(f, "exec: ended with exit code 0: two  words:::yes");
	unsetenv("NOTIFY_SOCKET");
	unsetenv("CREDENTIALS_DIRECTORY");
	assert_string_equal(read_file(f, "got"), TEXT "\n");
}

static void test_exec_has_no_shell(void **state)
{
	struct fixture *f = *state;

	begin_exec(f, 20000, "echo $HOME ; echo `id` > %s/made", f->folder);
	exec_run(f->exec, TEXT);
	wait_log(f, "exit code 0: $HOME ; echo `id` > ");
}

/* No command is started with half a text. */
static void test_exec_whose_text_does_not_fit(void **state)
{
	struct fixture *f = *state;
	struct rlimit limit, small;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	small = limit;
	small.rlim_cur = 10;
	begin_exec(f, 20000, "sh -c 'cat > %s/got'", f->folder);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	exec_run(f->exec, TEXT);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	exec_run(f->exec, "the next one");
	wait_log(f, "exit code 0");
	assert_string_equal(read_file(f, "got"), "the next one\n");
}

static void test_exec_that_fails(void **state)
{
	struct fixture *f = *state;

	begin_exec(f, 20000, "sh -c 'printf \"bad \\033[31m\\nmore\" >&2; exit 3'");
	exec_run(f->exec, TEXT);
	wait_log(f, "exec: ended with exit code 3: bad \xEF\xBF\xBD[31m \xE2\x8F\x8E more");
	exec_configure(f->exec, "/no/such/program at all");
	exec_run(f->exec, TEXT);
	wait_log(f, "exec: cannot start: no such file or directory");
	exec_configure(f->exec, "sh -c 'kill -USR1 $$'");
	exec_run(f->exec, TEXT);
	wait_log(f, "exec: ended by signal 10");
}

/* Neither a text that nobody reads nor an endless answer hold it up. */
static void test_exec_that_floods(void **state)
{
	struct fixture *f = *state;
	char *log;

	begin_exec(f, 20000, "sh -c 'exec 0<&-; head -c 3000000 /dev/zero | tr \"\\000\" x'");
	exec_run(f->exec, TEXT);
	wait_log(f, "exec: ended with exit code 0: xxxx");
	log = log_read(f);
	assert_true(strlen(log) < 1500);
}

static void test_exec_that_hangs(void **state)
{
	struct fixture *f = *state;
	char *end_of;
	long pid;

	/* its child hangs too, and the parent takes no SIGTERM */
	begin_exec(f, 2000, "sh -c 'trap \"\" TERM; sleep 1000 & echo $! > %s/pid; wait; wait'",
	        f->folder);
	exec_run(f->exec, TEXT);
	wait_file(f, "pid");
	pid = strtol(read_file(f, "pid"), &end_of, 10);
	assert_int_equal(kill((pid_t)pid, 0), 0);
	exec_configure(f->exec, "echo next");
	exec_run(f->exec, TEXT);
	wait_log(f, "exec: took too long, killed");
	wait_log(f, "exec: ended with exit code 0: next");
	for (int i = 0; i < 5000 && kill((pid_t)pid, 0) == 0; i++) {
		char path[64], line[256];
		FILE *file;

		/* a zombie that nobody reaps counts as ended */
		snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
		file = fopen(path, "r");
		if (file && fgets(line, sizeof(line), file) && strstr(line, ") Z"))
			i = 5000;
		if (file)
			fclose(file);
		assert_true(i != 4999);
		usleep(1000);
	}
}

/* A child in the background keeps the pipe; the command is over all the same. */
static void test_exec_that_leaves_a_child(void **state)
{
	struct fixture *f = *state;

	begin_exec(f, 20000, "sh -c 'echo done; sleep 5 &'");
	exec_run(f->exec, TEXT);
	wait_log(f, "exec: ended with exit code 0: done");
}

static void test_exec_queue_is_bounded(void **state)
{
	struct fixture *f = *state;

	begin_exec(f, 20000, "sleep 1000");
	for (int i = 0; i < 18; i++)
		exec_run(f->exec, TEXT);
	wait_log(f, "16 reports are waiting already; dropped this one");
}

static void test_close_during_exec(void **state)
{
	struct fixture *f = *state;

	begin_exec(
	        f, 20000, "sh -c 'echo started > %s/started; sleep 0.2; echo it ended'", f->folder);
	exec_run(f->exec, TEXT);
	exec_run(f->exec, TEXT);
	wait_file(f, "started");
	end(f);
	assert_non_null(strstr(log_read(f), "exit code 0: it ended"));
	assert_non_null(strstr(log_read(f), "1 reports were not sent"));
}

static void test_close_kills_what_hangs(void **state)
{
	struct fixture *f = *state;

	begin_exec(f, 60000, "sh -c 'trap \"\" TERM; echo started > %s/started; sleep 1000'",
	        f->folder);
	exec_run(f->exec, TEXT);
	wait_file(f, "started");
	end(f);
	assert_non_null(strstr(log_read(f), "took too long"));
}

/* ---- the second account ---- */

static void expect_sent(struct fixture *f)
{
	json_t *got = json_loads(f->sent, 0, NULL);
	json_t *wanted =
	        json_pack("{s:s, s:s, s:{}}", "msgtype", "m.text", "body", TEXT, "m.mentions");

	assert_true(json_equal(got, wanted));
	json_decref(got);
	json_decref(wanted);
}

static void test_second_account(void **state)
{
	struct fixture *f = *state;

	begin_second(f, "");
	meta_raise(f->meta, TEXT);
	wait_log(f, "second account: sent to !ops:example.org");
	expect_sent(f);
	assert_int_equal(f->sends, 1);
	meta_raise(f->meta, TEXT);
	meta_raise(f->meta, TEXT);
	while (f->sends < 3)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_string_not_equal(f->txn[0], f->txn[1]);
	assert_null(strstr(log_read(f), "good"));
}

static void test_second_account_tries_again(void **state)
{
	struct fixture *f = *state;

	f->busy = 1;
	begin_second(f, "");
	meta_raise(f->meta, TEXT);
	wait_log(f, "second account: sent to !ops:example.org");
	assert_int_equal(f->sends, 2);
	assert_string_equal(f->txn[0], f->txn[1]);
}

static void test_second_account_with_a_new_token(void **state)
{
	struct fixture *f = *state;

	write_file(f, "token", 0600, "old\n");
	begin_second(f, "");
	meta_raise(f->meta, TEXT);
	wait_log(f, "second account: cannot join its room");
	assert_int_equal(f->joins, 0);
	write_file(f, "token", 0600, "good\n");
	wait_log(f, "second account: sent to !ops:example.org");
}

static void test_second_account_and_an_encrypted_room(void **state)
{
	struct fixture *f = *state;

	f->encrypted = true;
	begin_second(f, "");
	meta_raise(f->meta, TEXT);
	wait_log(f, "#ops:example.org is encrypted, and this channel has no keys");
	assert_int_equal(f->sends, 0);
	f->encrypted = false;
	meta_raise(f->meta, TEXT);
	wait_log(f, "second account: sent to !ops:example.org");
	assert_int_equal(f->sends, 1);
}

static void test_reload_changes_the_second_account(void **state)
{
	struct fixture *f = *state;
	struct config *other = NULL, *first;
	struct meta *meta;

	f->good = "nobody's";
	begin_second(f, "exec = echo first\n");
	meta_raise(f->meta, TEXT);
	wait_log(f, "second account: cannot join its room");
	first = f->config;
	meta = f->meta;
	begin(f, "exec = echo other\n"); /* without a second account */
	meta_close(f->meta, turn_set, &f->closed);
	turn_until(&f->loop, &f->closed);
	f->closed = false;
	other = f->config;
	f->config = first;
	f->meta = meta;
	meta_configure(meta, other);
	config_unref(other);
	meta_raise(f->meta, TEXT);
	wait_log(f, "exit code 0: other");
	assert_int_equal(f->sends, 0);
}

/* ---- each by itself ---- */

static void test_channels_do_not_wait_for_each_other(void **state)
{
	struct fixture *f = *state;
	char text[256];

	f->mute = true;
	snprintf(text, sizeof(text), "exec = echo heard\nping_url = %s/ping/s3cret\n",
	        peer_url(f->peer));
	begin_second(f, text);
	meta_raise(f->meta, TEXT);
	meta_ping(f->meta);
	wait_log(f, "exit code 0: heard");
	end(f); /* with requests under way */
}

static void test_no_channel(void **state)
{
	struct fixture *f = *state;

	begin(f, "");
	meta_raise(f->meta, TEXT);
	meta_ping(f->meta);
	end(f);
	assert_string_equal(log_read(f), "");
}

static void test_ping(void **state)
{
	struct fixture *f = *state;
	char text[128];

	f->pings_bad = 1;
	snprintf(text, sizeof(text), "ping_url = %s/ping/s3cret\n", peer_url(f->peer));
	begin(f, text);
	meta_ping(f->meta);
	meta_ping(f->meta);
	wait_log(f, "ping_url: fetched");
	assert_int_equal(f->pings, 2);
	f->pings_bad = 100;
	meta_ping(f->meta);
	wait_log(f, "ping_url: HTTP 500, giving up after 5 attempts");
	assert_null(strstr(log_read(f), "s3cret"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	        T(test_exec_gets_the_text),
	        T(test_exec_has_no_shell),
	        T(test_exec_that_fails),
	        T(test_exec_whose_text_does_not_fit),
	        T(test_exec_that_floods),
	        T(test_exec_that_hangs),
	        T(test_exec_that_leaves_a_child),
	        T(test_exec_queue_is_bounded),
	        T(test_close_during_exec),
	        T(test_close_kills_what_hangs),
	        T(test_second_account),
	        T(test_second_account_tries_again),
	        T(test_second_account_with_a_new_token),
	        T(test_second_account_and_an_encrypted_room),
	        T(test_reload_changes_the_second_account),
	        T(test_channels_do_not_wait_for_each_other),
	        T(test_no_channel),
	        T(test_ping),
	};
#undef T

	return cmocka_run_group_tests(tests, NULL, NULL);
}

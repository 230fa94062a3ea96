/*
 * test_server.c - the socket on a real loop with real sockets in a folder of its own.
 *
 * The test is client and server in one thread: clients are non-blocking descriptors, and
 * wait_*() turn the loop until what is waited for happened or a guard timer fails the test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "bot/base/buf.h"
#include "bot/base/clock.h"
#include "bot/intake/listen.h"
#include "bot/base/log.h"
#include "bot/intake/server.h"
#include "tests/unit/log_lines.h"

#define REQUESTS_MAX 8192
#define GUARD_MS 20000

struct fixture {
	uv_loop_t loop;
	uv_timer_t tick;
	struct server *server;
	struct config config;
	char folder[64], path[96];
	struct reply *replies[REQUESTS_MAX]; /* unanswered, in order */
	unsigned requests;
	bool hold; /* do not answer at once */
	int gone;
	struct alert_peer peer;
	bool closed;
};

static void on_request(
        const json_t *request, const struct alert_peer *peer, struct reply *reply, void *arg)
{
	struct fixture *f = arg;

	f->peer = *peer;
	if (f->hold) {
		f->replies[f->requests++] = reply;
		return;
	}
	f->requests++;
	reply_ok(reply, json_pack("{s:O?}", "n", json_object_get(request, "n")));
}

static const struct server_events *events(struct fixture *f)
{
	static struct server_events result;
	result = (struct server_events){.on_request = on_request, .arg = f};
	return &result;
}

static void on_tick(uv_timer_t *timer)
{
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	signal(SIGPIPE, SIG_IGN);
	strcpy(f->folder, "/tmp/test_server.XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->path, sizeof(f->path), "%s/bot.sock", f->folder);
	f->config.socket.path = f->path;
	f->config.socket.mode = 0660;
	f->config.socket.max_clients = 4;
	assert_int_equal(uv_loop_init(&f->loop), 0);
	uv_timer_init(&f->loop, &f->tick);
	uv_timer_start(&f->tick, on_tick, 5, 5);
	*state = f;
	return 0;
}

static void start(struct fixture *f)
{
	struct fault fault = {0};
	assert_int_equal(server_create(&f->server, &f->loop, &f->config, events(f), &fault), OK);
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
	struct server *server = f->server;

	f->closed = false;
	f->server = NULL;
	server_close(server, on_closed, f);
	while (!f->closed)
		turn(f, since);
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	if (f->server) /* a failed test ends here too */
		stop(f);
	uv_close((uv_handle_t *)&f->tick, NULL);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	snprintf(command, sizeof(command), "rm -r %s", f->folder);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

static int dial(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

/* Sends all, turning the loop while the buffer is full; false when the server has closed. */
static bool put(struct fixture *f, int fd, const char *data, size_t len)
{
	int64_t since = clock_monotonic_ms();

	while (len > 0) {
		ssize_t count = send(fd, data, len, MSG_NOSIGNAL);
		if (count > 0) {
			data += count;
			len -= (size_t)count;
		} else if (errno == EAGAIN) {
			turn(f, since);
		} else {
			return false;
		}
	}
	return true;
}

static void say(struct fixture *f, int fd, const char *text)
{
	assert_true(put(f, fd, text, strlen(text)));
}

static void wait_requests(struct fixture *f, unsigned count)
{
	int64_t since = clock_monotonic_ms();
	while (f->requests < count)
		turn(f, since);
}

/* One line without its newline, or NULL at the end. Byte by byte, since it is only a test. */
static const char *hear(struct fixture *f, int fd)
{
	static char line[128 * 1024];
	size_t len = 0;
	int64_t since = clock_monotonic_ms();

	for (;;) {
		ssize_t count = recv(fd, line + len, 1, 0);
		if (count == 1 && line[len] == '\n') {
			line[len] = '\0';
			return line;
		}
		if (count == 1)
			assert_true(++len < sizeof(line));
		else if (count == -1 && errno == EAGAIN)
			turn(f, since);
		else
			return NULL;
	}
}

static void assert_hears(struct fixture *f, int fd, const char *expected)
{
	const char *line = hear(f, fd);
	assert_non_null(line);
	assert_string_equal(line, expected);
}

static void assert_hears_part(struct fixture *f, int fd, const char *part)
{
	const char *line = hear(f, fd);
	assert_non_null(line);
	if (!strstr(line, part))
		fail_msg("%s has no %s", line, part);
}

static void answer(struct fixture *f, unsigned i)
{
	struct reply *reply = f->replies[i];
	f->replies[i] = NULL;
	reply_ok(reply, json_pack("{s:i}", "i", (int)i));
}

/* ---- order and lines ---- */

static void replies_keep_the_order_of_requests(void **state)
{
	struct fixture *f = *state;
	f->hold = true;
	start(f);
	int fd = dial(f->path);
	say(f, fd, "{}\n{}\n{}\n");
	wait_requests(f, 3);
	answer(f, 2);
	answer(f, 0);
	answer(f, 1);
	assert_hears(f, fd, "{\"ok\":true,\"i\":0}");
	assert_hears(f, fd, "{\"ok\":true,\"i\":1}");
	assert_hears(f, fd, "{\"ok\":true,\"i\":2}");
	assert_int_equal(f->peer.uid, getuid());
	assert_int_equal(f->peer.gid, getgid());
	assert_int_equal(f->peer.pid, getpid());
	close(fd);
	stop(f);
}

static void a_bad_line_costs_only_itself(void **state)
{
	struct fixture *f = *state;
	char deep[128];
	static const char *const bad[] = {"{\"n\":}", "", "nonsense", "\"text\"", "[1]",
	        "{\"n\":\"\\u0000\"}", "{\"n\":\"\xff\"}", "{\"n\":\"\xc0\x80\"}",
	        "{\"n\":1,\"n\":2}", "{\"n\":1} {}"};

	start(f);
	int fd = dial(f->path);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		say(f, fd, bad[i]);
		say(f, fd, "\n{\"n\":1}\r\n");
		assert_hears_part(f, fd, "\"ok\":false,\"error\":\"json\",");
		assert_hears(f, fd, "{\"ok\":true,\"n\":1}");
	}
	assert_true(put(f, fd, "{\"n\":\"a\0b\"}\n", 12));
	assert_hears_part(f, fd, "\"error\":\"json\"");
	say(f, fd, "{\"n\": x}\n");
	assert_hears_part(f, fd, "\"position\":7");
	memset(deep, '[', 100);
	strcpy(deep + 100, "\n");
	say(f, fd, deep);
	assert_hears_part(f, fd, "\"message\":\"nested deeper than 16\",\"position\":16");
	say(f, fd, "{\"n\":\"[[[[[[[[[[[[[[[[[[[[\\\"[[[\"}\n");
	assert_hears_part(f, fd, "\"ok\":true");
	close(fd);
	stop(f);
}

static char *line_of(size_t len)
{
	char *line = malloc(len + 2);
	memset(line, 'x', len);
	memcpy(line, "{\"n\":1,\"t\":\"", 12);
	memcpy(line + len - 2, "\"}\n", 4);
	return line;
}

static void the_greatest_line_is_taken_and_one_byte_more_closes(void **state)
{
	struct fixture *f = *state;
	char *fits = line_of(SERVER_LINE_MAX);
	char *over = line_of(SERVER_LINE_MAX + 1);

	start(f);
	int fd = dial(f->path);
	say(f, fd, fits);
	say(f, fd, fits);
	assert_hears(f, fd, "{\"ok\":true,\"n\":1}");
	assert_hears(f, fd, "{\"ok\":true,\"n\":1}");
	say(f, fd, over);
	assert_hears_part(f, fd, "\"error\":\"too_large\"");
	assert_null(hear(f, fd));
	close(fd);
	free(fits);
	free(over);
	stop(f);
}

static void the_rest_of_too_long_a_line_is_read_before_the_close(void **state)
{
	struct fixture *f = *state;
	char *over = line_of(1024 * 1024);

	start(f);
	int fd = dial(f->path);
	assert_true(put(f, fd, over, strlen(over)));
	assert_hears_part(f, fd, "\"error\":\"too_large\"");
	assert_null(hear(f, fd));
	close(fd);
	free(over);
	stop(f);
}

static void a_line_without_newline_at_the_end_is_a_request(void **state)
{
	struct fixture *f = *state;
	start(f);
	int fd = dial(f->path);
	say(f, fd, "{\"n\":1}\n{\"n\":2}");
	shutdown(fd, SHUT_WR);
	assert_hears(f, fd, "{\"ok\":true,\"n\":1}");
	assert_hears(f, fd, "{\"ok\":true,\"n\":2}");
	assert_null(hear(f, fd));
	close(fd);
	stop(f);
}

/* An answer that may be large: one of a connection at a time, while others' go on. */
static void what_is_answered_alone_holds_up_the_rest(void **state)
{
	struct fixture *f = *state;

	f->hold = true;
	start(f);
	int fd = dial(f->path), other = dial(f->path);
	say(f, fd, "{}\n");
	wait_requests(f, 1);
	assert_false(reply_is_gone(f->replies[0]));
	reply_alone(f->replies[0]);
	say(f, fd, "{}\n{}\n");
	say(f, other, "{}\n");
	wait_requests(f, 2);
	for (int i = 0; i < 5; i++)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(f->requests, 2);
	answer(f, 1);
	assert_hears(f, other, "{\"ok\":true,\"i\":1}");
	answer(f, 0);
	wait_requests(f, 4);
	answer(f, 2);
	answer(f, 3);
	for (int i = 0; i < 3; i++)
		assert_non_null(hear(f, fd));
	close(fd);
	close(other);
	stop(f);
}

static void the_pipeline_is_bounded_in_bytes(void **state)
{
	struct fixture *f = *state;
	char *line = line_of(SERVER_LINE_MAX);
	unsigned most = SERVER_PIPELINE_BYTES / SERVER_LINE_MAX;

	f->hold = true;
	start(f);
	int fd = dial(f->path), sent = 0;
	while (f->requests < most) {
		ssize_t count = send(fd, line + sent, strlen(line) - (size_t)sent, MSG_NOSIGNAL);

		sent = count > 0 ? (sent + (int)count) % (int)strlen(line) : sent;
		uv_run(&f->loop, UV_RUN_NOWAIT);
	}
	for (int i = 0; i < 20; i++) {
		ssize_t count = send(fd, line + sent, strlen(line) - (size_t)sent, MSG_NOSIGNAL);

		sent = count > 0 ? (sent + (int)count) % (int)strlen(line) : sent;
		uv_run(&f->loop, UV_RUN_NOWAIT);
	}
	assert_int_equal(f->requests, most);
	close(fd);
	for (unsigned i = 0; i < most; i++)
		answer(f, i);
	free(line);
	stop(f);
}

static void a_removed_socket_file_is_made_anew(void **state)
{
	struct fixture *f = *state;
	int64_t since = clock_monotonic_ms();

	start(f);
	int before = dial(f->path);
	assert_int_equal(unlink(f->path), 0);
	while (access(f->path, F_OK) != 0)
		turn(f, since);
	int fd = dial(f->path);
	say(f, fd, "{\"n\":1}\n");
	say(f, before, "{\"n\":2}\n"); /* who was there stays */
	assert_hears(f, fd, "{\"ok\":true,\"n\":1}");
	assert_hears(f, before, "{\"ok\":true,\"n\":2}");
	close(fd);
	close(before);
	stop(f);
	assert_int_equal(access(f->path, F_OK), -1);
}

/* ---- peers that go or do not read ---- */

static void what_was_sent_before_hanging_up_is_taken(void **state)
{
	struct fixture *f = *state;
	start(f);
	int fd = dial(f->path);
	for (int i = 0; i < 3000; i++)
		say(f, fd, "{\"n\":1}\n");
	close(fd);
	wait_requests(f, 3000);
	stop(f);
}

static void on_gone(void *arg)
{
	((struct fixture *)arg)->gone++;
}

static void replies_outlive_their_peer(void **state)
{
	struct fixture *f = *state;
	int64_t since = clock_monotonic_ms();

	f->hold = true;
	start(f);
	int fd = dial(f->path);
	say(f, fd, "{}\n{}\n{}\n");
	wait_requests(f, 3);
	reply_on_gone(f->replies[0], on_gone, f);
	reply_on_gone(f->replies[1], on_gone, f);
	answer(f, 1);
	close(fd);
	while (f->gone == 0)
		turn(f, since);
	assert_int_equal(f->gone, 1);
	assert_false(reply_stream(f->replies[0], json_object()));
	answer(f, 0);
	stop(f);
	answer(f, 2);
}

/* Also while nothing is read from it. */
static void who_has_left_is_noticed_when_asked(void **state)
{
	struct fixture *f = *state;
	int fd;

	start(f);
	f->hold = true;
	for (int i = 0; i < 2; i++) {
		fd = dial(f->path);
		say(f, fd, "{\"n\":1}\n");
		wait_requests(f, (unsigned)i + 1);
		reply_alone(f->replies[i]);
		assert_false(reply_is_gone(f->replies[i]));
		assert_int_equal(i ? close(fd) : shutdown(fd, SHUT_WR), 0);
		assert_int_equal(reply_is_gone(f->replies[i]), i);
	}
	answer(f, 0);
	answer(f, 1);
	stop(f);
}

static void a_half_closed_peer_still_gets_its_answers(void **state)
{
	struct fixture *f = *state;
	f->hold = true;
	start(f);
	int fd = dial(f->path);
	say(f, fd, "{}\n");
	wait_requests(f, 1);
	reply_on_gone(f->replies[0], on_gone, f);
	shutdown(fd, SHUT_WR);
	for (int i = 0; i < 5; i++)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(f->gone, 0);
	assert_true(reply_stream(f->replies[0], json_pack("{s:i}", "s", 1)));
	answer(f, 0);
	assert_hears(f, fd, "{\"s\":1}");
	assert_hears(f, fd, "{\"ok\":true,\"i\":0}");
	close(fd);
	stop(f);
}

/* A burst of apps that come while the loop is busy: none is told to come again. */
static void a_burst_of_connections_waits(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fds[400];

	start(f);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", f->path);
	for (size_t i = 0; i < 400; i++) {
		fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		assert_int_equal(connect(fds[i], (struct sockaddr *)&address, sizeof(address)), 0);
	}
	for (size_t i = 0; i < 400; i++)
		close(fds[i]);
	stop(f);
}

static void the_pipeline_is_bounded(void **state)
{
	struct fixture *f = *state;
	char lines[3 * 2000];

	f->hold = true;
	start(f);
	int fd = dial(f->path);
	/* One write: the kernel charges a small one for much more than its bytes. */
	for (int i = 0; i < 2000; i++)
		memcpy(lines + 3 * i, "{}\n", 3);
	assert_true(put(f, fd, lines, sizeof(lines)));
	wait_requests(f, SERVER_PIPELINE_MAX);
	for (int i = 0; i < 5; i++)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(f->requests, SERVER_PIPELINE_MAX);
	for (unsigned i = 0; i < 2000; i++) {
		wait_requests(f, i + 1);
		answer(f, i);
	}
	for (int i = 0; i < 2000; i++)
		assert_non_null(hear(f, fd));
	close(fd);
	stop(f);
}

/* What one connection sent keeps the others waiting for a bounded number of its lines. */
static void connections_take_turns(void **state)
{
	struct fixture *f = *state;
	int flood, other;
	char lines[3 * 900];

	f->hold = true;
	start(f);
	flood = dial(f->path);
	other = dial(f->path);
	while (server_clients(f->server) < 2)
		uv_run(&f->loop, UV_RUN_ONCE);
	for (size_t i = 0; i < sizeof(lines); i += 3)
		memcpy(lines + i, "{}\n", 3);
	assert_true(put(f, flood, lines, sizeof(lines)));
	wait_requests(f, 1);
	assert_true(f->requests < 100);
	say(f, other, "{}\n");
	while (f->requests < 900 && reply_way(f->replies[f->requests - 1]) != 2)
		uv_run(&f->loop, UV_RUN_ONCE);
	/* in the turn that is under way, and the next */
	assert_true(f->requests < 300);
	wait_requests(f, 901);
	for (unsigned i = 0; i < 901; i++)
		answer(f, i);
	assert_non_null(hear(f, other));
	close(flood);
	close(other);
	stop(f);
}

/* With very much unanswered, who has little of it is still heard. */
static void who_has_little_unanswered_is_heard(void **state)
{
	struct fixture *f = *state;
	static char lines[3 * SERVER_PIPELINE_MAX];
	int floods[3], other;
	unsigned before;

	f->hold = true;
	start(f);
	for (size_t i = 0; i < sizeof(lines); i += 3)
		memcpy(lines + i, "{}\n", 3);
	for (int i = 0; i < 3; i++) {
		floods[i] = dial(f->path);
		assert_true(put(f, floods[i], lines, sizeof(lines)));
	}
	wait_requests(f, SERVER_WAITING_MAX);
	other = dial(f->path);
	assert_true(put(f, other, lines, 3 * 100));
	wait_requests(f, SERVER_WAITING_MAX + 16);
	for (int i = 0; i < 10; i++)
		uv_run(&f->loop, UV_RUN_ONCE);
	before = f->requests;
	assert_int_equal(before, SERVER_WAITING_MAX + 16);
	for (unsigned i = 0; i < SERVER_WAITING_MAX + 100; i++) {
		wait_requests(f, i + 1);
		answer(f, i);
	}
	for (int i = 0; i < 100; i++)
		assert_non_null(hear(f, other));
	for (int i = 0; i < 3; i++)
		close(floods[i]);
	close(other);
	stop(f);
}

static void streamed_lines_wait_for_their_turn_and_are_bounded(void **state)
{
	struct fixture *f = *state;
	static char filler[8192];
	unsigned sent = 0;

	f->hold = true;
	start(f);
	int fd = dial(f->path);
	say(f, fd, "{}\n{}\n");
	wait_requests(f, 2);
	assert_true(reply_stream(f->replies[1], json_pack("{s:i}", "s", 1)));
	answer(f, 0);
	assert_hears(f, fd, "{\"ok\":true,\"i\":0}");
	assert_hears(f, fd, "{\"s\":1}");
	memset(filler, 'x', sizeof(filler) - 1);
	while (reply_stream(f->replies[1], json_pack("{s:s}", "s", filler)))
		assert_true(++sent < 1000);
	assert_in_range(sent, 100, 300);
	reply_error(f->replies[1], "slow", NULL, "too slow", false);
	for (unsigned i = 0; i < sent; i++)
		assert_hears_part(f, fd, "xxx");
	assert_hears(f, fd, "{\"ok\":false,\"error\":\"slow\",\"message\":\"too slow\"}");
	close(fd);
	stop(f);
}

static void a_peer_that_does_not_read_is_paused_then_closed(void **state)
{
	struct fixture *f = *state;
	static char filler[60000];
	int64_t since = clock_monotonic_ms();

	f->hold = true;
	start(f);
	int fd = dial(f->path);
	for (int i = 0; i < 200; i++)
		say(f, fd, "{}\n");
	wait_requests(f, 200);
	memset(filler, 'x', sizeof(filler) - 1);
	for (unsigned i = 0; i < 20; i++)
		reply_ok(f->replies[i], json_pack("{s:s}", "t", filler));
	say(f, fd, "{}\n");
	for (int i = 0; i < 5; i++)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(f->requests, 200);
	for (unsigned i = 20; i < 200; i++)
		reply_ok(f->replies[i], json_pack("{s:s}", "t", filler));
	while (server_clients(f->server) > 0)
		turn(f, since);
	close(fd);
	stop(f);
}

/* ---- who may ---- */

static void one_too_many_is_told_to_retry(void **state)
{
	struct fixture *f = *state;
	int fds[5];

	start(f);
	for (int i = 0; i < 5; i++)
		fds[i] = dial(f->path);
	assert_hears(f, fds[4],
	        "{\"ok\":false,\"error\":\"busy\",\"message\":\"too many connections\","
	        "\"retry\":true}");
	/* A client that writes before it reads meets no broken pipe. */
	for (int i = 0; i < 5; i++)
		turn(f, clock_monotonic_ms());
	say(f, fds[4], "{\"n\":1}\n");
	assert_null(hear(f, fds[4]));
	assert_int_equal(f->requests, 0);
	say(f, fds[3], "{\"n\":1}\n");
	assert_hears(f, fds[3], "{\"ok\":true,\"n\":1}");
	for (int i = 0; i < 5; i++)
		close(fds[i]);
	stop(f);
}

static void allow_lists_decide(void **state)
{
	struct fixture *f = *state;
	uid_t uid = getuid() + 1;
	gid_t gid = getgid() + 1;

	start(f);
	f->config.socket.allow_uid = &uid;
	f->config.socket.allow_uid_len = 1;
	f->config.socket.allow_gid = &gid;
	f->config.socket.allow_gid_len = 1;
	for (int round = 0; round < 3; round++) {
		uid = getuid() + (round != 1);
		gid = getgid() + (round != 2);
		server_configure(f->server, &f->config);
		int fd = dial(f->path);
		if (round == 0) {
			assert_hears_part(f, fd, "\"error\":\"forbidden\"");
			assert_null(hear(f, fd));
		} else {
			say(f, fd, "{\"n\":1}\n");
			assert_hears(f, fd, "{\"ok\":true,\"n\":1}");
		}
		close(fd);
	}
	stop(f);
}

/* A client that comes again and again writes one line. */
static void the_refused_make_one_line(void **state)
{
	struct fixture *f = *state;
	uid_t uid = getuid() + 1;
	struct log_lines lines;

	f->config.socket.allow_uid = &uid;
	f->config.socket.allow_uid_len = 1;
	start(f);
	log_flush(INT64_MAX);
	log_lines_begin(&lines);
	for (int i = 0; i < 20; i++) {
		int fd = dial(f->path);

		assert_hears_part(f, fd, "\"error\":\"forbidden\"");
		close(fd);
	}
	assert_int_equal(log_lines_end(&lines, "refused: "), 1);
	stop(f);
}

/* ---- the path ---- */

static void the_mode_is_set_and_the_file_goes_at_the_end(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	start(f);
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	stop(f);
	assert_int_equal(stat(f->path, &st), -1);
}

static void a_live_socket_is_never_replaced_and_a_dead_one_is(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct server *other;
	struct fault fault;

	start(f);
	assert_int_equal(server_create(&other, &f->loop, &f->config, events(f), &fault), ERR_BUSY);
	assert_null(other);
	stop(f);

	/* Somebody without our lock. */
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", f->path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(server_create(&other, &f->loop, &f->config, events(f), &fault), ERR_BUSY);
	close(fd); /* leaves the file behind, as a crash does */
	start(f);
	fd = dial(f->path);
	say(f, fd, "{\"n\":1}\n");
	assert_hears(f, fd, "{\"ok\":true,\"n\":1}");
	close(fd);
	stop(f);

	/* What is no socket stays. */
	fd = open(f->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(fd);
	assert_int_equal(
	        server_create(&other, &f->loop, &f->config, events(f), &fault), ERR_EXISTS);
	assert_int_equal(access(f->path, F_OK), 0);
}

static void an_unknown_group_is_a_config_fault(void **state)
{
	struct fixture *f = *state;
	struct server *server;
	struct fault fault;
	char command[160];
	char group[] = "no-such-group-here";

	f->config.socket.group = group;
	assert_int_equal(
	        server_create(&server, &f->loop, &f->config, events(f), &fault), ERR_CONFIG);
	snprintf(command, sizeof(command), "test -z \"$(ls %s | grep -v lock)\"", f->folder);
	assert_int_equal(system(command), 0);
}

/* In a child, because the descriptor must be number 3. */
static void a_socket_of_systemd_is_taken(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct listen taken;
	struct fault fault;
	char number[16];
	int status;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s.given", f->path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);
	pid_t child = fork();
	if (child == 0) {
		dup2(fd, 3);
		snprintf(number, sizeof(number), "%d", (int)getpid());
		setenv("LISTEN_PID", number, 1);
		setenv("LISTEN_FDS", "1", 1);
		setenv("LISTEN_FDNAMES", "bot.socket", 1);
		_exit(listen_init(&taken, &f->config, &fault) == OK && taken.fd == 3 &&
		                        taken.lock_fd == -1 && access(f->path, F_OK) == -1
		                ? 0
		                : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	close(fd);
}

static void closing_waits_for_pending_replies(void **state)
{
	struct fixture *f = *state;
	int64_t since = clock_monotonic_ms();

	f->hold = true;
	start(f);
	int fd = dial(f->path);
	say(f, fd, "{}\n{}\n");
	wait_requests(f, 2);
	server_close(f->server, on_closed, f);
	f->server = NULL;
	for (int i = 0; i < 5; i++)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_false(f->closed);
	answer(f, 1);
	answer(f, 0);
	assert_hears(f, fd, "{\"ok\":true,\"i\":0}");
	assert_hears(f, fd, "{\"ok\":true,\"i\":1}");
	assert_null(hear(f, fd));
	while (!f->closed)
		turn(f, since);
	assert_true(clock_monotonic_ms() - since < 1500);
	close(fd);
}

static void closing_does_not_wait_for_ever(void **state)
{
	struct fixture *f = *state;
	f->hold = true;
	start(f);
	int fd = dial(f->path);
	say(f, fd, "{}\n");
	wait_requests(f, 1);
	reply_on_gone(f->replies[0], on_gone, f);
	stop(f);
	assert_int_equal(f->gone, 1);
	answer(f, 0);
	close(fd);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	        T(replies_keep_the_order_of_requests),
	        T(a_bad_line_costs_only_itself),
	        T(the_greatest_line_is_taken_and_one_byte_more_closes),
	        T(the_rest_of_too_long_a_line_is_read_before_the_close),
	        T(a_line_without_newline_at_the_end_is_a_request),
	        T(what_was_sent_before_hanging_up_is_taken),
	        T(replies_outlive_their_peer),
	        T(who_has_left_is_noticed_when_asked),
	        T(a_half_closed_peer_still_gets_its_answers),
	        T(the_pipeline_is_bounded),
	        T(a_burst_of_connections_waits),
	        T(what_is_answered_alone_holds_up_the_rest),
	        T(the_pipeline_is_bounded_in_bytes),
	        T(a_removed_socket_file_is_made_anew),
	        T(connections_take_turns),
	        T(who_has_little_unanswered_is_heard),
	        T(streamed_lines_wait_for_their_turn_and_are_bounded),
	        T(a_peer_that_does_not_read_is_paused_then_closed),
	        T(one_too_many_is_told_to_retry),
	        T(allow_lists_decide),
	        T(the_refused_make_one_line),
	        T(the_mode_is_set_and_the_file_goes_at_the_end),
	        T(a_live_socket_is_never_replaced_and_a_dead_one_is),
	        T(an_unknown_group_is_a_config_fault),
	        T(a_socket_of_systemd_is_taken),
	        T(closing_waits_for_pending_replies),
	        T(closing_does_not_wait_for_ever),
	};
#undef T
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Log lines: prefixes, colours, JSON, and text that would forge a line. Standard error is a file
 * or a pseudo-terminal for the length of a line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>
#include "bot/base/clock.h"
#include "bot/base/log.h"
#include "bot/base/text.h"

struct capture {
	int fd, saved;
	char text[16384];
};

/* From here to capture_end() standard error is fd. */
static void capture_begin(struct capture *capture, int fd)
{
	fflush(stderr);
	capture->fd = fd;
	capture->saved = dup(STDERR_FILENO);
	assert_true(capture->saved >= 0);
	assert_true(dup2(fd, STDERR_FILENO) >= 0);
}

static void capture_end(struct capture *capture)
{
	assert_true(dup2(capture->saved, STDERR_FILENO) >= 0);
	close(capture->saved);
}

static void capture_read_file(struct capture *capture)
{
	ssize_t len = pread(capture->fd, capture->text, sizeof(capture->text) - 1, 0);

	assert_true(len >= 0);
	capture->text[len] = '\0';
	close(capture->fd);
}

static void capture_file(struct capture *capture)
{
	int fd = memfd_create("log", MFD_CLOEXEC);

	assert_true(fd >= 0);
	capture_begin(capture, fd);
}

static void capture_file_done(struct capture *capture)
{
	capture_end(capture);
	capture_read_file(capture);
}

static int clean(void **state)
{
	unsetenv("JOURNAL_STREAM");
	unsetenv("NO_COLOR");
	setenv("TERM", "xterm", 1);
	log_setup(LOG_INFO, LOG_TEXT);
	return 0;
}

static void test_a_line_has_time_level_area(void **state)
{
	struct capture c;

	capture_file(&c);
	log_warning("sync", "gone for %d s", 3);
	capture_file_done(&c);
	/* 2026-11-24T09:00:00.250Z warning sync: … */
	assert_int_equal(c.text[10], 'T');
	assert_string_equal(c.text + 24, " warning sync: gone for 3 s\n");
}

static void test_levels_are_filtered_and_errno_is_kept(void **state)
{
	struct capture c;

	capture_file(&c);
	log_debug("x", "not told");
	log_setup(LOG_ERROR, LOG_TEXT);
	log_warning("x", "not told");
	errno = ENOSPC;
	log_error("x", "told");
	int kept = errno;
	capture_file_done(&c);
	assert_int_equal(kept, ENOSPC);
	assert_null(strstr(c.text, "not told"));
	assert_non_null(strstr(c.text, "error x: told\n"));
}

/* Lets JOURNAL_STREAM name the file, or another one. */
static void set_journal(int fd, int off)
{
	struct stat st;
	char text[64];

	assert_int_equal(fstat(fd, &st), 0);
	snprintf(text, sizeof(text), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino + off);
	setenv("JOURNAL_STREAM", text, 1);
}

static void test_the_journal_gets_priorities(void **state)
{
	struct capture c;

	capture_file(&c);
	set_journal(c.fd, 0);
	log_setup(LOG_DEBUG, LOG_TEXT);
	log_error("a", "1");
	log_warning("a", "2");
	log_info("a", "3");
	log_debug("a", "4");
	capture_file_done(&c);
	assert_string_equal(c.text, "<3>a: 1\n<4>a: 2\n<6>a: 3\n<7>a: 4\n");
}

static void test_a_redirected_stderr_is_not_the_journal(void **state)
{
	struct capture c;

	capture_file(&c);
	set_journal(c.fd, 1);
	log_setup(LOG_INFO, LOG_TEXT);
	log_info("a", "x");
	setenv("JOURNAL_STREAM", "rubbish", 1);
	log_setup(LOG_INFO, LOG_TEXT);
	log_info("a", "y");
	capture_file_done(&c);
	assert_int_not_equal(c.text[0], '<');
	assert_null(strchr(c.text, '<'));
}

static void on_terminal(struct capture *c)
{
	int controller, terminal;
	struct termios raw;

	assert_int_equal(openpty(&controller, &terminal, NULL, NULL, NULL), 0);
	assert_int_equal(tcgetattr(terminal, &raw), 0);
	cfmakeraw(&raw);
	assert_int_equal(tcsetattr(terminal, TCSANOW, &raw), 0);
	capture_begin(c, terminal);
	log_setup(LOG_INFO, LOG_TEXT);
	log_error("a", "x");
	capture_end(c);
	ssize_t len = read(controller, c->text, sizeof(c->text) - 1);
	assert_true(len > 0);
	c->text[len] = '\0';
	close(terminal);
	close(controller);
}

static void test_colours_only_on_a_terminal_that_wants_them(void **state)
{
	struct capture c;

	on_terminal(&c);
	assert_non_null(strstr(c.text, "\033[31merror\033[0m"));
	setenv("NO_COLOR", "1", 1);
	on_terminal(&c);
	assert_null(strchr(c.text, '\033'));
	setenv("NO_COLOR", "", 1); /* counts as not set */
	on_terminal(&c);
	assert_non_null(strchr(c.text, '\033'));
	capture_file(&c);
	log_setup(LOG_INFO, LOG_TEXT);
	log_error("a", "x");
	capture_file_done(&c);
	assert_null(strchr(c.text, '\033'));
}

static const char hostile[] =
        "a\nerror forged: x\r\033[2J\x9b\x7f\xff\xc3\xe2\x80\xae\"\\ }{ \xe2\x80\xa8 é";

static void test_text_cannot_forge_a_line(void **state)
{
	struct capture c;

	capture_file(&c);
	log_info("a", "%s", hostile);
	capture_file_done(&c);
	size_t len = strlen(c.text);
	assert_ptr_equal(strchr(c.text, '\n'), c.text + len - 1);
	assert_true(text_is_utf8(c.text, len));
	for (size_t i = 0; i + 1 < len; i++)
		assert_true((unsigned char)c.text[i] >= 0x20 && c.text[i] != 0x7f);
	assert_null(strstr(c.text, "\xe2\x80\xae"));
	assert_non_null(strstr(c.text, "é"));
}

static void test_json_is_one_object_a_line(void **state)
{
	struct capture c;
	json_error_t error;
	json_t *object;

	capture_file(&c);
	log_setup(LOG_INFO, LOG_JSON);
	log_info("area", "%s", hostile);
	capture_file_done(&c);
	assert_ptr_equal(strchr(c.text, '\n'), c.text + strlen(c.text) - 1);
	object = json_loads(c.text, 0, &error);
	assert_non_null(object);
	assert_string_equal(json_string_value(json_object_get(object, "level")), "info");
	assert_string_equal(json_string_value(json_object_get(object, "area")), "area");
	assert_int_equal(strlen(json_string_value(json_object_get(object, "time"))), 24);
	assert_non_null(strstr(json_string_value(json_object_get(object, "message")), "\"\\ }{"));
	json_decref(object);
}

static void test_long_messages_are_cut_whole(void **state)
{
	struct capture c;
	char *longer = calloc(1, 100001);

	for (size_t i = 0; i < 100000; i += 2)
		memcpy(longer + i, "é", 2);
	for (int format = LOG_TEXT; format <= LOG_JSON; format++) {
		capture_file(&c);
		log_setup(LOG_INFO, (enum log_format)format);
		log_info("a", "x%s", longer);
		capture_file_done(&c);
		size_t len = strlen(c.text);
		assert_in_range(len, 1000, 9000);
		assert_int_equal(c.text[len - 1], '\n');
		assert_true(text_is_utf8(c.text, len));
		assert_non_null(strstr(c.text, "é…"));
	}
	free(longer);
}

/* --- nobody reads --------------------------------------------------------------------------- */

#define FLOOD 500

/* Fills what stands behind standard error, empties it, and looks at what is written then. */
static void flood(int writing, int reading)
{
	static char text[1 << 20];
	struct capture c;
	size_t len = 0;
	ssize_t got;

	alarm(20); /* a line that waits would wait for ever */
	capture_begin(&c, writing);
	for (int i = 0; i < FLOOD; i++)
		log_error("flood", "%0900d", i);
	assert_int_equal(fcntl(reading, F_SETFL, O_NONBLOCK), 0);
	while ((got = read(reading, text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)got;
	for (int i = 0; i < 2; i++) { /* the smallest pipe takes one line at a time */
		log_error("flood", "afterwards");
		while ((got = read(reading, text + len, sizeof(text) - 1 - len)) > 0)
			len += (size_t)got;
	}
	capture_end(&c);
	alarm(0);
	text[len] = '\0';
	assert_non_null(strstr(text, "lines dropped: standard error was not read"));
	assert_non_null(strstr(text, "flood: afterwards"));
	assert_non_null(strstr(text, "flood: 0000")); /* whole lines as long as there was room */
}

static void test_a_pipe_that_nobody_reads_drops_lines(void **state)
{
	static const int sizes[] = {4096, 65536};

	for (size_t i = 0; i < 2; i++) {
		int ends[2];

		assert_int_equal(pipe(ends), 0);
		assert_true(fcntl(ends[1], F_SETPIPE_SZ, sizes[i]) >= 0);
		flood(ends[1], ends[0]);
		close(ends[0]);
		close(ends[1]);
	}
}

/* Where standard error cannot be opened again, each line asks first. */
static void test_a_pipe_that_cannot_be_opened_again_drops_lines(void **state)
{
	struct rlimit limit, none;
	struct capture c;
	int ends[2];

	alarm(20);
	assert_int_equal(pipe(ends), 0);
	assert_true(fcntl(ends[1], F_SETPIPE_SZ, 4096) >= 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 0;
	capture_begin(&c, ends[1]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	for (int i = 0; i < FLOOD; i++)
		log_error("flood", "%0900d", i);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	capture_end(&c);
	alarm(0);
	close(ends[0]);
	close(ends[1]);
}

static void test_a_socket_that_nobody_reads_drops_lines(void **state)
{
	static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};

	for (size_t i = 0; i < 3; i++) {
		int ends[2];

		assert_int_equal(socketpair(AF_UNIX, types[i], 0, ends), 0);
		flood(ends[1], ends[0]);
		close(ends[0]);
		close(ends[1]);
	}
}

static void test_a_stopped_terminal_drops_lines(void **state)
{
	int controller, terminal;

	assert_int_equal(openpty(&controller, &terminal, NULL, NULL, NULL), 0);
	flood(terminal, controller);
	close(controller);
	close(terminal);
}

static void test_a_closed_pipe_does_no_harm(void **state)
{
	struct capture c;
	int ends[2];

	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe(ends), 0);
	close(ends[0]);
	capture_begin(&c, ends[1]);
	log_error("flood", "to nobody");
	capture_end(&c);
	close(ends[1]);
	signal(SIGPIPE, SIG_DFL);
	capture_file(&c);
	log_error("flood", "to somebody");
	capture_file_done(&c);
	assert_non_null(strstr(c.text, "1 lines dropped"));
	assert_non_null(strstr(c.text, "to somebody"));
}

/* --- lines that come by the thousand --------------------------------------------------------- */

static unsigned count(const char *text, const char *what)
{
	unsigned n = 0;

	while ((text = strstr(text, what))) {
		text += strlen(what);
		n++;
	}
	return n;
}

static void refuse(const char *room, int i)
{
	log_seldom(LOG_WARNING, "toy", room, "%s refuses %d", room, i);
}

static void test_lines_of_a_kind_are_counted(void **state)
{
	int64_t now_ms = clock_monotonic_ms();
	struct capture c;

	capture_file(&c);
	for (int i = 0; i < 1000; i++) {
		refuse("ops", i);
		refuse("dev", i);
	}
	log_flush(now_ms + 30000); /* the minute is not over */
	capture_file_done(&c);
	assert_int_equal(count(c.text, "\n"), 2);
	assert_non_null(strstr(c.text, "ops refuses 0\n"));
	assert_non_null(strstr(c.text, "dev refuses 0\n"));
	capture_file(&c);
	log_flush(now_ms + 61000);
	log_flush(now_ms + 200000); /* nothing more to tell */
	capture_file_done(&c);
	assert_int_equal(count(c.text, "\n"), 2);
	assert_non_null(strstr(c.text, "ops refuses 999 (999 times in a minute)\n"));
	assert_non_null(strstr(c.text, "dev refuses 999 (999 times in a minute)\n"));
	capture_file(&c);
	refuse("ops", 1); /* a new minute */
	refuse("ops", 2);
	log_flush(clock_monotonic_ms() + 61000);
	capture_file_done(&c);
	assert_non_null(strstr(c.text, "ops refuses 1\n"));
	assert_non_null(strstr(c.text, "ops refuses 2\n"));
}

/* However many kinds there are: no line is lost without a count. */
static void test_more_kinds_than_places(void **state)
{
	struct capture c;
	char room[16];

	capture_file(&c);
	for (int i = 0; i < 100; i++) {
		snprintf(room, sizeof(room), "r%d", i);
		refuse(room, 1);
		refuse(room, 2);
	}
	log_flush(clock_monotonic_ms() + 61000);
	capture_file_done(&c);
	assert_int_equal(count(c.text, " refuses 1\n"), 100);
	assert_int_equal(count(c.text, " refuses 2\n"), 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup(test_a_line_has_time_level_area, clean),
	        cmocka_unit_test_setup(test_levels_are_filtered_and_errno_is_kept, clean),
	        cmocka_unit_test_setup(test_the_journal_gets_priorities, clean),
	        cmocka_unit_test_setup(test_a_redirected_stderr_is_not_the_journal, clean),
	        cmocka_unit_test_setup(test_colours_only_on_a_terminal_that_wants_them, clean),
	        cmocka_unit_test_setup(test_text_cannot_forge_a_line, clean),
	        cmocka_unit_test_setup(test_json_is_one_object_a_line, clean),
	        cmocka_unit_test_setup(test_long_messages_are_cut_whole, clean),
	        cmocka_unit_test_setup(test_a_pipe_that_nobody_reads_drops_lines, clean),
	        cmocka_unit_test_setup(test_a_pipe_that_cannot_be_opened_again_drops_lines, clean),
	        cmocka_unit_test_setup(test_a_socket_that_nobody_reads_drops_lines, clean),
	        cmocka_unit_test_setup(test_a_stopped_terminal_drops_lines, clean),
	        cmocka_unit_test_setup(test_a_closed_pipe_does_no_harm, clean),
	        cmocka_unit_test_setup(test_lines_of_a_kind_are_counted, clean),
	        cmocka_unit_test_setup(test_more_kinds_than_places, clean),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

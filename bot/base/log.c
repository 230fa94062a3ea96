/*
 * log.c - see log.h. A line is built in memory and written by one write(), so that lines from
 * several threads do not mix.
 *
 * Nobody may be reading standard error, and the loop must not block on it. Its file description may
 * be shared with other processes, so it is not made non-blocking: a pipe or terminal is opened a
 * second time for that, and for a socket each call asks not to block. No line is longer than
 * PIPE_BUF, so that a pipe takes it whole or not at all.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "bot/base/buf.h"
#include "bot/base/clock.h"
#include "bot/base/log.h"
#include "bot/base/text.h"

#define LOG_LINE_MAX 4096

static atomic_int log_level = LOG_INFO;
static atomic_int log_format = LOG_TEXT;
static pthread_mutex_t log_mutex =
        PTHREAD_MUTEX_INITIALIZER; /* protects the target and the counter */
static unsigned log_dropped;       /* number of lines; under the mutex */

static const struct {
	const char *name;
	int priority; /* priority of syslog */
	const char *colour;
} levels[] = {
        [LOG_ERROR] = {"error", 3, "\033[31m"},
        [LOG_WARNING] = {"warning", 4, "\033[33m"},
        [LOG_INFO] = {"info", 6, ""},
        [LOG_DEBUG] = {"debug", 7, "\033[2m"},
};

void log_setup(enum log_level level, enum log_format format)
{
	log_level = (int)level;
	log_format = (int)format;
}

/* True when standard error is the journal's socket, whose device and inode systemd passes. */
static bool log_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

static bool log_has_colour(void)
{
	const char *no_color = getenv("NO_COLOR");

	return isatty(STDERR_FILENO) && (!no_color || !*no_color);
}

static void log_text(struct buf *line, enum log_level level, const char *area, const char *message)
{
	char when[32];
	bool journal = log_is_journal();
	bool colour = !journal && log_has_colour();

	if (journal) {
		buf_printf(line, "<%d>", levels[level].priority);
	} else {
		clock_format_rfc3339(clock_now_ms(), when, sizeof(when));
		buf_printf(line, "%s %s%s%s ", when, colour ? levels[level].colour : "",
		        levels[level].name, colour && levels[level].colour[0] ? "\033[0m" : "");
	}
	buf_printf(line, "%s: ", area);
	text_add_plain(line, message, LOG_LINE_MAX / 4 - 64, TEXT_FOLD_NEWLINES);
	buf_add_char(line, '\n');
}

static void log_json(struct buf *line, enum log_level level, const char *area, const char *message)
{
	struct buf neutral;
	char when[32], *text;
	json_t *object;

	buf_init(&neutral, LOG_LINE_MAX);
	text_add_plain(&neutral, message, LOG_LINE_MAX / 4 - 64, TEXT_FOLD_NEWLINES);
	clock_format_rfc3339(clock_now_ms(), when, sizeof(when));
	object = json_pack("{s:s, s:s, s:s, s:s}", "time", when, "level", levels[level].name,
	        "area", area, "message", buf_str(&neutral));
	text = json_dumps(object, JSON_COMPACT);
	if (text) {
		buf_add_str(line, text);
		buf_add_char(line, '\n');
	}
	free(text);
	json_decref(object);
	buf_finish(&neutral);
}

/* Under the mutex: the descriptor to write to, non-blocking where possible. */
static int log_target(const struct stat *st)
{
	static int again = -1; /* standard error, opened a second time */
	static dev_t dev;
	static ino_t ino;

	if (!S_ISFIFO(st->st_mode) && !S_ISCHR(st->st_mode))
		return STDERR_FILENO;
	if (again < 0 || st->st_dev != dev ||
	        st->st_ino != ino) { /* not opened yet, or standard error was replaced */
		if (again >= 0)
			close(again);
		again = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		dev = st->st_dev;
		ino = st->st_ino;
	}
	return again >= 0 ? again : STDERR_FILENO;
}

/* False: the write failed or would have blocked. */
static bool log_try(const struct buf *line)
{
	struct pollfd fd = {.events = POLLOUT};
	struct stat st;

	if (fstat(STDERR_FILENO, &st) != 0)
		return false;
	if (S_ISSOCK(st.st_mode))
		return send(STDERR_FILENO, line->data, line->len, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
	fd.fd = log_target(&st);
	if (fd.fd == STDERR_FILENO && !(poll(&fd, 1, 0) == 1 && fd.revents & POLLOUT))
		return false;
	return write(fd.fd, line->data, line->len) >= 0;
}

static void log_line(struct buf *line, enum log_level level, const char *area, const char *message)
{
	if (log_format == LOG_JSON)
		log_json(line, level, area, message);
	else
		log_text(line, level, area, message);
}

/* Under the mutex. Reports dropped lines as soon as a line can be written again. */
static void log_tell_dropped(void)
{
	char message[64];
	struct buf line;

	snprintf(message, sizeof(message), "%u lines dropped: standard error was not read",
	        log_dropped);
	buf_init(&line, PIPE_BUF);
	log_line(&line, LOG_WARNING, "log", message);
	if (log_try(&line))
		log_dropped = 0;
	buf_finish(&line);
}

void log_write(enum log_level level, const char *area, const char *format, ...)
{
	char message[LOG_LINE_MAX];
	struct buf line;
	va_list args;
	int saved = errno;

	if ((int)level > log_level)
		return;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	buf_init(&line, PIPE_BUF);
	log_line(&line, level, area, message);
	pthread_mutex_lock(&log_mutex);
	if (log_dropped > 0)
		log_tell_dropped();
	if (!log_try(&line))
		log_dropped++;
	pthread_mutex_unlock(&log_mutex);
	buf_finish(&line);
	errno = saved; /* so that logging before errno is reported does not change it */
}

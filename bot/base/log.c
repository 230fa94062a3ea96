/*
 * log.c - see log.h. A line is built in memory and written by one write(), so that lines from
 * several threads do not mix.
 */
#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "bot/base/buf.h"
#include "bot/base/clock.h"
#include "bot/base/log.h"
#include "bot/base/text.h"

#define LOG_LINE_MAX 4096

static atomic_int log_level = LOG_INFO;
static atomic_int log_format = LOG_TEXT;

static const struct {
	const char *name;
	int priority; /* of syslog */
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

/* Standard error is the journal's socket: systemd tells its device and inode. */
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
	buf_init(&line, 2 * LOG_LINE_MAX);
	if (log_format == LOG_JSON)
		log_json(&line, level, area, message);
	else
		log_text(&line, level, area, message);
	/* a log that cannot be written has nowhere to say so */
	if (line.len > 0 && write(STDERR_FILENO, line.data, line.len) < 0) {
	}
	buf_finish(&line);
	errno = saved; /* so that a log line before an error's own does no harm */
}

/*
 * log.h - one line an event on standard error.
 *
 * Levels say what the process does next: error - something was given up or needs a person;
 * warning - it goes on, degraded or after a retry; info - a change of state an operator wants in
 * the journal; debug - for whoever reads the code. Text form starts with the sd-daemon(3)
 * priority ("<4>") when standard error is the journal, with colours only on a terminal. JSON
 * form is one object a line. Every value is escaped, so that text from outside cannot forge a
 * line. Secrets and message plaintext are never logged. A line that nobody reads is dropped and
 * counted: logging never waits.
 *
 * The settings are the one piece of process-wide state: set at start and at reload only. Safe to
 * call from every thread.
 */
#pragma once

#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_TEXT, LOG_JSON };

void log_setup(enum log_level level, enum log_format format);

void log_write(enum log_level level, const char *area, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/*
 * For what may happen thousands of times a minute: the first line is written at once, the others of
 * its kind within a minute are counted, and the count is told after it. Of one kind are lines with
 * the same format and key (a room's name, say; "" where there is one kind only).
 */
void log_seldom(enum log_level level, const char *area, const char *key, const char *format, ...)
        __attribute__((format(printf, 4, 5)));
/* Tells the counts of minutes that are over at now_ms (monotonic); to be called now and then. */
void log_flush(int64_t now_ms);

/* area is the module's name: "sync", "courier", "socket" … */
#define log_error(area, ...) log_write(LOG_ERROR, area, __VA_ARGS__)
#define log_warning(area, ...) log_write(LOG_WARNING, area, __VA_ARGS__)
#define log_info(area, ...) log_write(LOG_INFO, area, __VA_ARGS__)
#define log_debug(area, ...) log_write(LOG_DEBUG, area, __VA_ARGS__)

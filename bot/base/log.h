/*
 * log.h - log lines on standard error, one for each event.
 *
 * Levels say what the process does next: error - something failed for good or needs a person;
 * warning - the process continues, degraded or after a retry; info - a change of state that an
 * operator wants in the journal; debug - for developers. The text form starts with the sd-daemon(3)
 * priority ("<4>") when standard error is the journal, and uses colours only on a terminal. The
 * JSON form is one object a line. Every value is escaped, so that text from outside cannot forge a
 * line. Secrets and message plaintext are never logged. Logging never blocks: lines that cannot be
 * written are dropped and counted.
 *
 * The settings are global to the process and are set only at start and at reload. Safe to call from
 * every thread.
 */
#pragma once

#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_TEXT, LOG_JSON };

void log_setup(enum log_level level, enum log_format format);

void log_write(enum log_level level, const char *area, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/*
 * For what may happen thousands of times a minute: the first line is written at once, further ones
 * of its kind within a minute are only counted, and the count is logged afterwards. Lines are of
 * one kind when format and key are equal (key: a room's name, say; "" where there is one kind
 * only).
 */
void log_seldom(enum log_level level, const char *area, const char *key, const char *format, ...)
        __attribute__((format(printf, 4, 5)));
/* Logs the counts of minutes that have ended at now_ms (monotonic); call it regularly. */
void log_flush(int64_t now_ms);

/* area is the module's name: "sync", "courier", "socket" … */
#define log_error(area, ...) log_write(LOG_ERROR, area, __VA_ARGS__)
#define log_warning(area, ...) log_write(LOG_WARNING, area, __VA_ARGS__)
#define log_info(area, ...) log_write(LOG_INFO, area, __VA_ARGS__)
#define log_debug(area, ...) log_write(LOG_DEBUG, area, __VA_ARGS__)

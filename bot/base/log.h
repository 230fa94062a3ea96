/*
 * log.h - one line an event on standard error.
 *
 * Levels say what the process does next: error - something was given up or needs a person;
 * warning - it goes on, degraded or after a retry; info - a change of state an operator wants in
 * the journal; debug - for whoever reads the code. Text form starts with the sd-daemon(3)
 * priority ("<4>") when standard error is the journal, with colours only on a terminal. JSON
 * form is one object a line. Every value is escaped, so that text from outside cannot forge a
 * line. Secrets and message plaintext are never logged.
 *
 * The settings are the one piece of process-wide state: set at start and at reload only. Safe to
 * call from every thread.
 */
#pragma once

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_TEXT, LOG_JSON };

void log_setup(enum log_level level, enum log_format format);

void log_write(enum log_level level, const char *area, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/* area is the module's name: "sync", "courier", "socket" … */
#define log_error(area, ...) log_write(LOG_ERROR, area, __VA_ARGS__)
#define log_warning(area, ...) log_write(LOG_WARNING, area, __VA_ARGS__)
#define log_info(area, ...) log_write(LOG_INFO, area, __VA_ARGS__)
#define log_debug(area, ...) log_write(LOG_DEBUG, area, __VA_ARGS__)

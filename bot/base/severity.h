/*
 * severity.h - how bad an alert is; the names are those of the config, the socket and the
 * database.
 */
#pragma once

#include <stdbool.h>

enum severity { SEVERITY_INFO, SEVERITY_WARNING, SEVERITY_CRITICAL, SEVERITY_COUNT };

/* "info", "warning", "critical", NULL. */
extern const char *const severity_names[];

const char *severity_name(enum severity severity);
/* False when text is none of the three. */
bool severity_parse(const char *text, enum severity *out);
/* The same of what other tools call it: error, page, warn, notice. */
bool severity_guess(const char *text, enum severity *out);

/*
 * severity.h - severities of alerts; their names are used in the config, on the socket and in the
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
/* As severity_parse(), and also accepts names used by other tools: error, page, warn, notice. */
bool severity_guess(const char *text, enum severity *out);

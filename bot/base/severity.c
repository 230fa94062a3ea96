/*
 * severity.c - see severity.h.
 */
#include "bot/base/severity.h"

#include <stddef.h>
#include <string.h>

const char *const severity_names[] = {"info", "warning", "critical", NULL};

const char *severity_name(enum severity severity)
{
	return severity_names[severity];
}

bool severity_parse(const char *text, enum severity *out)
{
	for (int i = 0; i < SEVERITY_COUNT; i++)
		if (strcmp(text, severity_names[i]) == 0) {
			*out = (enum severity)i;
			return true;
		}
	return false;
}

/*
 * severity.c - see severity.h.
 */
#include "bot/base/severity.h"

#include <stddef.h>
#include <string.h>
#include "bot/base/text.h"

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

bool severity_guess(const char *text, enum severity *out)
{
	static const struct {
		const char *name;
		enum severity severity;
	} words[] = {
	        {"critical", SEVERITY_CRITICAL},
	        {"error", SEVERITY_CRITICAL},
	        {"fatal", SEVERITY_CRITICAL},
	        {"page", SEVERITY_CRITICAL},
	        {"err", SEVERITY_CRITICAL},
	        {"crit", SEVERITY_CRITICAL},
	        {"alert", SEVERITY_CRITICAL},
	        {"emerg", SEVERITY_CRITICAL},
	        {"emergency", SEVERITY_CRITICAL},
	        {"panic", SEVERITY_CRITICAL},
	        {"disaster", SEVERITY_CRITICAL},
	        {"warning", SEVERITY_WARNING},
	        {"warn", SEVERITY_WARNING},
	        {"info", SEVERITY_INFO},
	        {"notice", SEVERITY_INFO},
	        {"debug", SEVERITY_INFO},
	        {"information", SEVERITY_INFO},
	        {"informational", SEVERITY_INFO},
	        {"trace", SEVERITY_INFO},
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (text_is_word(text, words[i].name)) {
			*out = words[i].severity;
			return true;
		}
	return false;
}

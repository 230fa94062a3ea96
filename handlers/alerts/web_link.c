/*
 * web_link.c - see web_link.h.
 */
#include "handlers/alerts/web_link.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include "bot/base/buf.h"

/* http or https with a plausible host. */
static bool is_web_address(const char *text)
{
	const char *host;

	if (strncasecmp(text, "https://", 8) == 0)
		host = text + 8;
	else if (strncasecmp(text, "http://", 7) == 0)
		host = text + 7;
	else
		return false;
	return *host && !strchr("/?#:@. \t\r\n\"<>\\^`{|}", *host);
}

char *web_link(const char *text, size_t max, const char **why)
{
	const char *start = text + strspn(text, " \t\r\n");
	size_t len = strlen(start);
	struct buf url;

	while (len > 0 && strchr(" \t\r\n", start[len - 1]))
		len--;
	*why = is_web_address(start) ? "it is too long" : "not an http or https address";
	if (!is_web_address(start) || len > max)
		return NULL;
	buf_init(&url, max + 1);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)start[i];

		if (c <= ' ' || c >= 0x7F || strchr("\"<>\\^`{|}", c))
			buf_printf(&url, "%%%02X", c);
		else
			buf_add_char(&url, (char)c);
	}
	if (url.overflow || url.len > max)
		buf_finish(&url);
	return url.data;
}

/*
 * web_link.c - see web_link.h.
 */
#include "handlers/alerts/web_link.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include "bot/base/alloc.h"
#include "bot/base/buf.h"

/* Not allowed in an address, or able to end it where it is written. */
static bool is_unsafe(unsigned char c)
{
	return c <= ' ' || c == 0x7F || strchr("\"<>\\^`{|}", c);
}

/* A % that begins no code is to be encoded itself. */
static bool is_encoded(const char *at)
{
	return isxdigit((unsigned char)at[1]) && isxdigit((unsigned char)at[2]);
}

/* The host of an http or https address, behind a user and a password; NULL: it has no plausible
 * one. */
static const char *find_host(const char *text)
{
	const char *host = strncasecmp(text, "https://", 8) == 0  ? text + 8
	                   : strncasecmp(text, "http://", 7) == 0 ? text + 7
	                                                          : NULL;
	size_t len = host ? strcspn(host, "/?#") : 0, at = len;

	while (at > 0 && host[at - 1] != '@')
		at--;
	for (size_t i = at; i < len; i++)
		if (is_unsafe((unsigned char)host[i]))
			return NULL;
	return at < len && !strchr(":.", host[at]) ? host + at : NULL;
}

char *web_link(const char *text, size_t max, const char **why)
{
	const char *start = text + strspn(text, " \t\r\n"), *host;
	struct buf url;
	size_t len;
	char *trimmed;

	len = strlen(start);
	while (len > 0 && strchr(" \t\r\n", start[len - 1]))
		len--;
	trimmed = x_strndup(start, len);
	host = find_host(trimmed);
	buf_init(&url, max + 1);
	if (host) {
		size_t scheme = strcspn(trimmed, "/") + 2;

		buf_add(&url, trimmed, scheme);
		*why = host > trimmed + scheme ? "user and password removed" : "percent-encoded";
	}
	for (const char *at = host; at && *at; at++)
		if (is_unsafe((unsigned char)*at) || (unsigned char)*at >= 0x80 ||
		        (*at == '%' && !is_encoded(at)))
			buf_printf(&url, "%%%02X", (unsigned char)*at);
		else
			buf_add_char(&url, *at);
	free(trimmed);
	if (!host || url.overflow || url.len > max) {
		*why = host ? "it is too long" : "not an http or https address";
		buf_finish(&url);
	}
	return url.data;
}

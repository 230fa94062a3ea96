/*
 * web_link.h - makes a link of a text that an app wrote. Pure.
 */
#pragma once

#include <stddef.h>

/* The address, with what RFC 3986 does not allow percent-encoded, since that could end the link or
 * an HTML attribute, and without a user and a password, which are not for the room; owned by the
 * caller. NULL: it is not an http or https address, or longer than max bytes. *why says so, and
 * what was changed if it was. */
char *web_link(const char *text, size_t max, const char **why);

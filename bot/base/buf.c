/*
 * buf.c - see buf.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/buf.h"

#define BUF_FIRST 64 /* bytes of the first allocation */

void buf_init(struct buf *buf, size_t max)
{
	memset(buf, 0, sizeof(*buf));
	buf->max = max;
}

void buf_finish(struct buf *buf)
{
	free(buf->data);
	memset(buf, 0, sizeof(*buf));
}

void buf_reset(struct buf *buf)
{
	buf->len = 0;
	buf->overflow = false;
	if (buf->data)
		buf->data[0] = '\0';
}

/* Makes room for len more bytes and the NUL; false when they would exceed the maximum. */
static bool buf_grow(struct buf *buf, size_t len)
{
	size_t cap = buf->cap ? buf->cap : BUF_FIRST;

	if (buf->overflow || len > buf->max || buf->len > buf->max - len) {
		buf->overflow = true;
		return false;
	}
	while (cap < buf->len + len + 1)
		cap *= 2;
	if (cap != buf->cap) {
		buf->data = x_realloc(buf->data, cap);
		buf->cap = cap;
	}
	return true;
}

void buf_add(struct buf *buf, const void *data, size_t len)
{
	if (!buf_grow(buf, len))
		return;
	if (len > 0)
		memcpy(buf->data + buf->len, data, len);
	buf->len += len;
	buf->data[buf->len] = '\0';
}

void buf_add_str(struct buf *buf, const char *text)
{
	buf_add(buf, text, strlen(text));
}

void buf_add_char(struct buf *buf, char c)
{
	if (!buf_grow(buf, 1))
		return;
	buf->data[buf->len++] = c;
	buf->data[buf->len] = '\0';
}

void buf_printf(struct buf *buf, const char *format, ...)
{
	va_list args, again;
	int len;

	va_start(args, format);
	va_copy(again, args);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (len >= 0 && buf_grow(buf, (size_t)len)) {
		vsnprintf(buf->data + buf->len, (size_t)len + 1, format, again);
		buf->len += (size_t)len;
	}
	va_end(again);
}

void buf_trim_lines(struct buf *buf)
{
	while (buf->len > 0 && buf->data[buf->len - 1] == '\n')
		buf->data[--buf->len] = '\0';
}

void buf_drop(struct buf *buf, size_t len)
{
	if (len >= buf->len) {
		buf->len = 0;
	} else {
		memmove(buf->data, buf->data + len, buf->len - len);
		buf->len -= len;
	}
	if (buf->data)
		buf->data[buf->len] = '\0';
}

const char *buf_str(const struct buf *buf)
{
	return buf->data ? buf->data : "";
}

char *buf_take(struct buf *buf)
{
	char *data = buf->data ? buf->data : x_strdup("");

	buf_init(buf, buf->max);
	return data;
}

/*
 * err.c - see err.h.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "bot/base/err.h"

#define ERR_TEXT(name, text) [name] = text,
static const char *const texts[] = {ERR_TABLE(ERR_TEXT)};
#undef ERR_TEXT

const char *err_name(enum err code)
{
	switch (code) {
	case OK:
		return "ok";
	case ERR_INVALID:
		return "invalid";
	case ERR_TOO_LARGE:
		return "too_large";
	case ERR_NOT_FOUND:
		return "not_found";
	case ERR_EXISTS:
		return "exists";
	case ERR_CONFIG:
		return "config";
	case ERR_IO:
		return "io";
	case ERR_FULL:
		return "full";
	case ERR_BUSY:
		return "busy";
	case ERR_CORRUPT:
		return "corrupt";
	case ERR_NET:
		return "net";
	case ERR_TIMEOUT:
		return "timeout";
	case ERR_LIMITED:
		return "limited";
	case ERR_SERVER:
		return "server";
	case ERR_PROTO:
		return "proto";
	case ERR_AUTH:
		return "auth";
	case ERR_DENIED:
		return "denied";
	case ERR_REJECTED:
		return "rejected";
	case ERR_UNSUPPORTED:
		return "unsupported";
	case ERR_CANCELED:
		return "canceled";
	}
	return "unknown";
}

const char *err_text(enum err code)
{
	return (size_t)code < sizeof(texts) / sizeof(texts[0]) ? texts[code] : "unknown error";
}

enum err fault_set(struct fault *fault, enum err code, const char *format, ...)
{
	va_list args;

	if (!fault)
		return code;
	fault->code = code;
	va_start(args, format);
	vsnprintf(fault->text, sizeof(fault->text), format, args);
	va_end(args);
	return code;
}

enum err fault_wrap(struct fault *fault, const char *format, ...)
{
	char old[sizeof(fault->text)];
	va_list args;
	int len;

	if (!fault)
		return ERR_INVALID;
	memcpy(old, fault->text, sizeof(old));
	va_start(args, format);
	len = vsnprintf(fault->text, sizeof(fault->text), format, args);
	va_end(args);
	if (len < 0 || (size_t)len >= sizeof(fault->text) - 2)
		return fault->code;
	memcpy(fault->text + len, ": ", 2);
	len += 2;
	memcpy(fault->text + len, old, sizeof(fault->text) - (size_t)len - 1);
	fault->text[sizeof(fault->text) - 1] = '\0';
	return fault->code;
}

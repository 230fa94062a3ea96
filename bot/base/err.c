/*
 * err.c - see err.h.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "bot/base/err.h"
#include "bot/base/text.h"

#define ERR_TEXT(name, text) [name] = text,
static const char *const texts[] = {ERR_TABLE(ERR_TEXT)};
#undef ERR_TEXT

const char *err_name(enum err err)
{
	switch (err) {
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
	case ERR_DAMAGED:
		return "damaged";
	case ERR_REPLACED:
		return "replaced";
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
	case ERR_HELD:
		return "held";
	case ERR_OLD:
		return "old";
	case ERR_UNSUPPORTED:
		return "unsupported";
	case ERR_CANCELED:
		return "canceled";
	}
	return "unknown";
}

bool err_is_own(enum err code)
{
	switch (code) {
	case OK:
	case ERR_INVALID:
	case ERR_TOO_LARGE:
	case ERR_NOT_FOUND:
	case ERR_EXISTS:
	case ERR_DENIED:
	case ERR_REJECTED:
	case ERR_UNSUPPORTED:
		return false;
	default:
		return true;
	}
}

bool err_is_lasting(enum err code)
{
	return code == ERR_INVALID || code == ERR_TOO_LARGE || code == ERR_NOT_FOUND ||
	       code == ERR_EXISTS || code == ERR_CORRUPT || code == ERR_DAMAGED;
}

const char *err_text(enum err err)
{
	return (size_t)err < sizeof(texts) / sizeof(texts[0]) ? texts[err] : "unknown error";
}

/* Copies a formatted text, cut to the available size but never inside a code point. */
static void fault_take(struct fault *fault, const char *text)
{
	size_t len = text_whole(text, strnlen(text, sizeof(fault->text) - 1));

	memcpy(fault->text, text, len);
	fault->text[len] = '\0';
}

enum err fault_set(struct fault *fault, enum err err, const char *format, ...)
{
	char text[sizeof(fault->text)]; /* since an argument may be the old text */
	va_list args;

	if (!fault)
		return err;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fault->code = err;
	fault_take(fault, text);
	return err;
}

enum err fault_wrap(struct fault *fault, const char *format, ...)
{
	char text[2 * sizeof(fault->text) + 4]; /* fault_take() cuts it */
	va_list args;
	size_t len;

	if (!fault)
		return ERR_INVALID;
	va_start(args, format);
	vsnprintf(text, sizeof(fault->text), format, args);
	va_end(args);
	len = strlen(text);
	snprintf(text + len, sizeof(text) - len, ": %s", fault->text);
	fault_take(fault, text);
	return fault->code;
}

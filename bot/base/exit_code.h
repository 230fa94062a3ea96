/*
 * exit_code.h - how a failure ends a command.
 */
#pragma once

#include <sysexits.h>
#include "bot/base/err.h"

/* What may go by itself is EX_TEMPFAIL, what the config or the machine must mend EX_CONFIG, the
 * rest EX_UNAVAILABLE. */
static inline int exit_of(enum err code)
{
	switch (code) {
	case OK:
		return EX_OK;
	case ERR_NET:
	case ERR_TIMEOUT:
	case ERR_LIMITED:
	case ERR_SERVER:
	case ERR_PROTO:
	case ERR_BUSY:
	case ERR_FULL:
		return EX_TEMPFAIL;
	case ERR_CONFIG:
	case ERR_INVALID:
	case ERR_AUTH:
		return EX_CONFIG;
	default:
		return EX_UNAVAILABLE;
	}
}

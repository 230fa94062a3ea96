/*
 * exit_code.h - the exit code of a command for each error.
 */
#pragma once

#include <sysexits.h>
#include "bot/base/err.h"

/* EX_TEMPFAIL for what may pass by itself, EX_CONFIG for what must be fixed in the config or on the
 * machine, EX_UNAVAILABLE for the rest. */
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

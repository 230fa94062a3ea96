/*
 * err.h - the list of error codes, and a fixed-size error message that goes with them.
 *
 * Functions that can fail return an enum err: OK is 0, everything else is a failure. Where a person
 * will read what went wrong, the function also fills a struct fault. No function here allocates, so
 * an error can always be reported.
 */
#pragma once

#include <stdbool.h>

#define ERR_TABLE(X)                                                                             \
	X(OK, "ok")                                                                              \
	X(ERR_INVALID, "invalid input")         /* the caller's data is wrong; no retry helps */ \
	X(ERR_TOO_LARGE, "over the size limit") /* as above */                                   \
	X(ERR_NOT_FOUND, "not found")                                                            \
	X(ERR_EXISTS, "already there")                                                           \
	X(ERR_CONFIG, "bad configuration")                                                       \
	X(ERR_IO, "input/output error")          /* local disk or socket */                      \
	X(ERR_FULL, "no space left")             /* disk or table full: try again later */       \
	X(ERR_BUSY, "in use by another process") /* lock held elsewhere */                       \
	X(ERR_CORRUPT, "stored data is damaged")                                                 \
	X(ERR_DAMAGED, "a stored row is damaged") /* other rows can be used */                   \
	X(ERR_REPLACED, "the database file was replaced or deleted")                             \
	X(ERR_NET, "network error")                   /* DNS, connect, reset, TLS: try again */  \
	X(ERR_TIMEOUT, "timed out")                   /* try again */                            \
	X(ERR_LIMITED, "rate limited")                /* 429: try again after the given wait */  \
	X(ERR_SERVER, "homeserver error")             /* 5xx: try again */                       \
	X(ERR_PROTO, "unexpected answer")             /* not JSON, missing keys: try again */    \
	X(ERR_AUTH, "access token refused")           /* 401 */                                  \
	X(ERR_DENIED, "forbidden")                    /* 403 */                                  \
	X(ERR_REJECTED, "rejected by the homeserver") /* other 4xx; a retry does not help */     \
	X(ERR_HELD, "account or server restricted")   /* rejected until it is lifted */          \
	X(ERR_OLD, "made by an older version")                                                   \
	X(ERR_UNSUPPORTED, "not supported")                                                      \
	X(ERR_CANCELED, "canceled")

#define ERR_COUNT (ERR_CANCELED + 1)

enum err {
#define ERR_ENUM(name, text) name,
	ERR_TABLE(ERR_ENUM)
#undef ERR_ENUM
};

/* A code with a message for a person; text is always terminated, and empty when code is OK. */
struct fault {
	enum err code;
	char text[256];
};

/* The code's name in lower case without prefix ("not_found"); static storage. */
const char *err_name(enum err code);

/* False when the request itself was wrong. Otherwise the program, or what it depends on (disk,
 * database, network), failed, and the same request may succeed later. */
bool err_is_own(enum err code);

/* True for what is wrong with the data, stored or given, and not with the disk or the moment: to
 * try again would fail again. */
bool err_is_lasting(enum err code);

/* The code's text from the table; static storage. */
const char *err_text(enum err code);

/* Fills *fault (may be NULL) and returns code, so that `return fault_set(…)` can be written. */
enum err fault_set(struct fault *fault, enum err code, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/* Puts "context: " before the text in *fault; returns its code. */
enum err fault_wrap(struct fault *fault, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

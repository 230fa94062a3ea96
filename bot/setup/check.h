/*
 * check.h - the findings of `check`: ok, a warning, or an error with its fix.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include "bot/setup/ask.h"

enum check_level { CHECK_GOOD, CHECK_WARNING, CHECK_FAULT };

struct check_line {
	enum check_level level;
	char *what, *found;
	char *fix; /* or NULL */
};

struct check {
	const struct config *config;
	struct ask *ask;           /* NULL: homeserver not found */
	char *token;               /* NULL: missing or unreadable */
	bool logged_in;            /* the homeserver accepts the token */
	char *user_id, *device_id; /* of the token; NULL = unknown */
	bool encrypted;            /* a configured room is encrypted */
	struct check_line *lines;
	size_t len;
	int exit_code; /* of the worst error so far: EX_CONFIG before EX_UNAVAILABLE before
	                  EX_TEMPFAIL */
};

void check_finish(struct check *check);

/* Adds a finding, as neutral text. */
void check_good(struct check *check, const char *what, const char *found, ...)
        __attribute__((format(printf, 3, 4)));
void check_warning(struct check *check, const char *what, const char *found, ...)
        __attribute__((format(printf, 3, 4)));
/* exit_code: EX_CONFIG, EX_UNAVAILABLE or EX_TEMPFAIL. */
void check_fault(struct check *check, int exit_code, const char *what, const char *found, ...)
        __attribute__((format(printf, 4, 5)));
/* Adds to the last finding how it can be fixed. */
void check_fix(struct check *check, const char *fix, ...) __attribute__((format(printf, 2, 3)));

/* The same for what may pass by itself. */
void check_fix_later(struct check *check);

/* Of the user whose rights are used. Valid until the next call. */
const char *check_user_name(void);

/* Prints a table, or one line of JSON: {"ok":…,"checks":[{"level","what","found","fix"}]}. */
void check_print(const struct check *check, bool json, FILE *out);

/* Part of check_rooms(): who can read an encrypted room. */
void check_readers(
        struct check *check, const char *what, const struct config_room *room, const char *room_id);

/* The parts, in the order in which they run. */
void check_user(struct check *check);  /* root continues with the rights of the daemon's user */
void check_token(struct check *check); /* whether it can be read */
void check_files(struct check *check); /* files that the config names, such as ca_file */
void check_homeserver(struct check *check); /* whether it is found; opens check->ask */
void check_account(struct check *check);    /* the token's user and device */
void check_clock(struct check *check);
void check_rooms(struct check *check);
void check_device(struct check *check);   /* its keys and signatures; after the rooms */
void check_database(struct check *check); /* and whether its device id is the token's */
void check_spool(struct check *check);
void check_socket(struct check *check);
void check_call_monitor(struct check *check); /* the table that calls are copied into */
void check_watches(struct check *check);      /* runs each query once */
void check_meta(struct check *check);
void check_daemon(struct check *check); /* what a running daemon reports */

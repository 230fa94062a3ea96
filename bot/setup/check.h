/*
 * check.h - the findings of `check`: good, a warning, or a fault with the way to mend it.
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
	struct ask *ask;           /* NULL: no homeserver */
	char *token;               /* NULL: none that can be read */
	bool logged_in;            /* the token is good */
	char *user_id, *device_id; /* whose it is; NULL = unknown */
	bool encrypted;            /* a configured room is */
	struct check_line *lines;
	size_t len;
	int exit_code; /* so far: EX_CONFIG before EX_UNAVAILABLE before EX_TEMPFAIL */
};

void check_finish(struct check *check);

/* Adds a finding. The text is made neutral. */
void check_good(struct check *check, const char *what, const char *found, ...)
        __attribute__((format(printf, 3, 4)));
void check_warning(struct check *check, const char *what, const char *found, ...)
        __attribute__((format(printf, 3, 4)));
/* exit_code: EX_CONFIG, EX_UNAVAILABLE or EX_TEMPFAIL. */
void check_fault(struct check *check, int exit_code, const char *what, const char *found, ...)
        __attribute__((format(printf, 4, 5)));
/* What mends the last finding. */
void check_fix(struct check *check, const char *fix, ...) __attribute__((format(printf, 2, 3)));

/* As a table, or as one line of JSON: {"ok":…,"checks":[{"level","what","found","fix"}]}. */
void check_print(const struct check *check, bool json, FILE *out);

/* Of check_rooms(): who can read an encrypted room. */
void check_readers(
        struct check *check, const char *what, const struct config_room *room, const char *room_id);

/* The parts, in their order. */
void check_user(struct check *check);       /* root goes on with the rights of the daemon's user */
void check_token(struct check *check);      /* readable */
void check_files(struct check *check);      /* that the config names, such as ca_file */
void check_homeserver(struct check *check); /* found: opens check->ask */
void check_account(struct check *check);    /* the token's user and device */
void check_clock(struct check *check);
void check_rooms(struct check *check);
void check_device(struct check *check);   /* its keys, and who signed them; after the rooms */
void check_database(struct check *check); /* and its device id, against the token's */
void check_spool(struct check *check);
void check_socket(struct check *check);
void check_call_monitor(struct check *check); /* the table that calls are copied into */
void check_watches(struct check *check);      /* runs each query once */
void check_meta(struct check *check);
void check_daemon(struct check *check); /* what it says itself, if it runs */

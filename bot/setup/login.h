/*
 * login.h - a login by password, step by step, for `login` and `setup`. Each step that fails has
 * said why on standard error, and returns a sysexits(3) status.
 */
#pragma once

#include "bot/setup/login_keys.h"

struct login {
	const char *command;         /* "login": what messages begin with */
	const struct config *config; /* borrowed */
	struct ask *ask;             /* borrowed */
	char *password, *token;      /* owned, wiped */
	char *device_id;             /* of the database, then of the answer; NULL = none */
	struct login_keys keys;
};

void login_finish(struct login *login);

/* Says it, and returns code. */
int login_fail(const struct login *login, int code, const char *text);

/* Whether the homeserver has logins by password. */
int login_check_flows(const struct login *login);
/* Asks for the password on the terminal. As password_ask(). */
enum err login_ask_password(struct login *login, struct fault *fault);
/* The device that the daemon's database belongs to, if there is one already. */
void login_find_device(struct login *login);
/* With the password: sets token and device_id. */
int login_by_password(struct login *login);
/* Into [matrix] token_file, as the daemon's user. What cannot be stored is logged out again. */
int login_store_token(struct login *login);
/* The session is not wanted: ends it, as well as it goes. */
void login_log_out(struct login *login);
/* Sets keys. As root this process has the rights of the daemon's user from then on. */
void login_make_keys(struct login *login);
void login_tell_keys(const struct login_keys *keys);

/* A string of a JSON object is wiped. */
void login_wipe_member(json_t *object, const char *key);

/*
 * login.h - login with a password, step by step, for `login` and `setup`. A step that fails prints
 * the reason on standard error and returns a sysexits(3) status.
 */
#pragma once

#include "bot/setup/login_keys.h"

struct login {
	const char *command;         /* "login": prefix of messages */
	const struct config *config; /* borrowed */
	struct ask *ask;             /* borrowed */
	char *password, *token;      /* owned; wiped before they are freed */
	char *device_id;             /* from the database, later from the answer; NULL = none */
	struct login_keys_wish wish;
	struct login_keys keys;
};

void login_finish(struct login *login);

/* Prints the text and returns code. */
int login_fail(const struct login *login, int code, const char *text);

/* Whether the homeserver supports password logins. */
int login_check_flows(const struct login *login);
/* Asks for the password on the terminal; errors as in password_ask(). */
enum err login_ask_password(struct login *login, struct fault *fault);
/* The device that the daemon's database belongs to, if any. */
void login_find_device(struct login *login);
/* Logs in with the password; sets token and device_id. */
int login_by_password(struct login *login);
/* Stores the token in [matrix] token_file, owned by the daemon's user. If that fails, logs out. */
int login_store_token(struct login *login);
/* Logs an unwanted session out; failures are ignored. */
void login_log_out(struct login *login);
/* Sets keys. If root, this process has the rights of the daemon's user afterwards. */
void login_make_keys(struct login *login);
void login_tell_keys(const struct login_keys *keys);

/* Wipes a string member of a JSON object. */
void login_wipe_member(json_t *object, const char *key);

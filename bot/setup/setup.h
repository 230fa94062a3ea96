/*
 * setup.h - shared by the steps of `matrix-telemetry-bot setup`; for bot/setup/setup_*.c and
 * cmd_setup.c only.
 *
 * The config is not written before everything is known: changes are collected, and after each one
 * the changed text is parsed as the daemon would. Each step returns a sysexits(3) status, and
 * prints the reason on standard error if that is not EX_OK.
 */
#pragma once

#include "bot/config/config_edit.h"
#include "bot/setup/ask.h"
#include "bot/setup/daemon_user.h"
#include "bot/setup/setup_options.h"

#define SETUP_INSTALLED "/etc/matrix-telemetry-bot/bot.conf"

struct setup {
	struct setup_options options;
	bool asks;  /* a user is there to answer questions */
	char *path; /* of the config */
	bool exists;
	char *before;          /* its text on disk, or that of the template for a new one */
	char *good;            /* with the changes so far that the daemon would accept */
	char *text;            /* with all changes */
	struct buf told;       /* the changes, one on each line */
	size_t good_told;      /* length of the part that belongs to `good` */
	struct config *config; /* parsed from `good` */
	struct daemon_user daemon;
	struct ask *ask;  /* set once the homeserver is found; with the token once there is one */
	char *token;      /* accepted by the homeserver; wiped */
	char *device_id;  /* of the token */
	char *password;   /* of the account, once it was asked for; wiped */
	bool fresh_token; /* from a login in this run */
};

/* Prints the text on standard error and returns code. */
int setup_fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Whether the value is a placeholder of the example that nobody has changed yet. */
bool setup_is_example(const char *value);

/*
 * The option if given; else the user's answer to the question, if there is one; else the fallback.
 * *out is owned by the caller. EX_USAGE: none of these is available, so --NAME is missing.
 */
int setup_pick(const struct setup *setup, const char *option, const char *name,
        const char *question, const char *fallback, char **out);

/* Changes a key (value NULL: removes it), unless it has that value. */
void setup_change(struct setup *setup, const char *section, const char *key, const char *value);
/* Parses the changed config as the daemon would. EX_CONFIG: it is rejected; the reason was printed,
 * and the changes since the last call are dropped. */
int setup_apply(struct setup *setup);
/* setup_change() and setup_apply(). */
int setup_set(struct setup *setup, const char *section, const char *key, const char *value);

/* setup_account.c: finds the homeserver and gets a valid token; registers the account if
 * requested. */
int setup_homeserver(struct setup *setup);
int setup_account(struct setup *setup);
/* The first line of a file that other users cannot read; an answer without an echo. *out is owned
 * by the caller, who wipes it. */
int setup_read_secret(const char *path, const char *name, char **out);
int setup_ask_secret(const char *prompt, char **out);
/* Sets the account's password, if it is not known yet: from the option, or by asking. */
int setup_get_password(struct setup *setup);
void setup_forget_password(struct setup *setup);

/* setup_keys.c: keys for encrypted rooms; what to do if the account has some already. */
int setup_keys(struct setup *setup);

/* setup_rooms.c: operators, and the rooms, each joined or created. */
int setup_operators(struct setup *setup);
int setup_rooms(struct setup *setup);
/* Waits until one of the invited operators is in each room: whoever joins after a message was sent
 * to an encrypted room cannot read it. */
int setup_await_operators(const struct setup *setup);

/* setup_start.c: whether systemd's units use this config; runs systemctl, EX_UNAVAILABLE if it
 * fails. */
#define SETUP_SERVICE "matrix-telemetry-bot.service"
bool setup_uses_units(const struct setup *setup);
int setup_systemctl(const char *verb, const char *unit);
/* Called after the config was written. */
int setup_units(const struct setup *setup, bool changed);
int setup_check(const struct setup *setup);
/* Sends a test message and waits until it is acknowledged in its room. Runs a daemon for that time
 * if none is running. */
int setup_test(const struct setup *setup);

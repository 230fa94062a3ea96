/*
 * setup.h - what the steps of `matrix-telemetry-bot setup` share; for bot/setup/setup_*.c and
 * cmd_setup.c alone.
 *
 * Nothing is written into the config before all is known: changes are collected, and after each the
 * config of the old text with them is read as the daemon would. Each step returns a sysexits(3)
 * status, and has said on standard error why it is not EX_OK.
 */
#pragma once

#include "bot/config/config_edit.h"
#include "bot/setup/ask.h"
#include "bot/setup/daemon_user.h"
#include "bot/setup/setup_options.h"

#define SETUP_INSTALLED "/etc/matrix-telemetry-bot/bot.conf"

struct setup {
	struct setup_options options;
	bool asks;  /* somebody is there to answer */
	char *path; /* of the config */
	bool exists;
	char *before;          /* its text as it is there, or what a new one begins with */
	char *good;            /* with the changes that the daemon would take over */
	char *text;            /* with all changes */
	struct buf told;       /* the changes, a line for each */
	size_t good_told;      /* how much of it belongs to `good` */
	struct config *config; /* of `good` */
	struct daemon_user daemon;
	struct ask *ask;  /* the homeserver, once it is found; with the token once there is one */
	char *token;      /* good; wiped */
	bool fresh_token; /* by a login just now */
};

/* Says it on standard error, and returns code. */
int setup_fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A value that stands there because nobody has set it yet: it is that of the example. */
bool setup_is_example(const char *value);

/*
 * What an option says; else, if somebody is there, what they answer to the question; else the
 * fallback. *out is owned by the caller. EX_USAGE: there is none of these, and --NAME is missing.
 */
int setup_pick(const struct setup *setup, const char *option, const char *name,
        const char *question, const char *fallback, char **out);

/* Changes a key (value NULL: it is taken out), unless it has that value. */
void setup_change(struct setup *setup, const char *section, const char *key, const char *value);
/* Reads the config anew, as the daemon would. EX_CONFIG: it would be rejected; said why, and the
 * changes since the last time are forgotten. */
int setup_apply(struct setup *setup);
/* Both. */
int setup_set(struct setup *setup, const char *section, const char *key, const char *value);

/* setup_account.c: finds the homeserver, and gets a good token; registers the account if asked. */
int setup_homeserver(struct setup *setup);
int setup_account(struct setup *setup);
/* setup_keys.c: keys for encrypted rooms, after a login. The password is that of the login. */
void setup_keys(struct setup *setup, const char *device_id, const char *password);

/* setup_rooms.c: who may command; the rooms, each joined or made. */
int setup_operators(struct setup *setup);
int setup_rooms(struct setup *setup);
/* Until of those who are invited one is in each room: whoever comes after a message to an encrypted
 * room cannot read it. */
int setup_await_operators(const struct setup *setup);

/* setup_start.c: whether systemd's units use this config; what systemctl is told, EX_UNAVAILABLE if
 * it fails. */
#define SETUP_SERVICE "matrix-telemetry-bot.service"
bool setup_uses_units(const struct setup *setup);
int setup_systemctl(const char *verb, const char *unit);
/* After the config is written. */
int setup_units(const struct setup *setup, bool changed);
int setup_check(const struct setup *setup);
/* A test message, until it is acknowledged in its room. Runs a daemon for that while none does. */
int setup_test(const struct setup *setup);

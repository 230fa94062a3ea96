/*
 * login_keys.h - part of `login`: creates and signs the device's encryption keys while the password
 * is available, and creates the account's recovery key, which is shown once.
 */
#pragma once

#include "bot/setup/ask.h"

struct login_keys {
	char *recovery_key; /* newly created: show and wipe it; or NULL */
	char *note;         /* other information for the user, or NULL */
};

/*
 * `ask` must have the token. Creates this device's keys in the daemon's database, uploads them,
 * creates cross-signing keys if the account has none, and stores them in secret storage unless
 * there is one. The daemon does all of this, too, except creating the recovery key; so a failure
 * only sets the note. Free both members, the first with x_wipe_free_str().
 */
void login_keys_make(struct ask *ask, const struct config *config, const char *device_id,
        const char *password, struct login_keys *out);

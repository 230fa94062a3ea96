/*
 * login_keys.h - of `login`: the device's encryption keys, made and signed while the password is
 * at hand, and the account's recovery key, shown once.
 */
#pragma once

#include "bot/setup/ask.h"

struct login_keys {
	char *recovery_key; /* made now: to be shown and wiped; or NULL */
	char *note;         /* what a person must know else, or NULL */
};

/*
 * The token is set at ask. Makes this device's keys in the daemon's database, brings them to the
 * homeserver, makes cross-signing keys where the account has none, and stores them in secret
 * storage unless that is there. Nothing of it is needed for the daemon, which does the same but
 * for the recovery key; so what fails is a note. Free both members, the first by
 * x_wipe_free_str().
 */
void login_keys_make(struct ask *ask, const struct config *config, const char *device_id,
        const char *password, struct login_keys *out);

/*
 * login_keys.h - part of `login`: creates and signs the device's encryption keys while the password
 * is available, and creates the account's recovery key, which is shown once.
 */
#pragma once

#include "bot/setup/ask.h"

/* What to do if the account has cross-signing keys that are not in the database; neither: nothing.
 */
struct login_keys_wish {
	const char *recovery; /* sign this device with this recovery key or passphrase; or NULL */
	bool reset;           /* replace the account's keys */
};

struct login_keys {
	char *recovery_key; /* newly created: show and wipe it; or NULL */
	char *note;         /* other information for the user, or NULL */
	bool foreign;       /* the account's keys are not in the database, and none were made */
};

/*
 * `ask` must have the token. Creates this device's keys in the daemon's database, uploads them,
 * creates cross-signing keys if the account has none, and stores them in secret storage unless
 * there is one. The daemon does all of this, too, except creating the recovery key and what is
 * wished; so a failure only sets the note. password may be NULL if there is no reset. Free both
 * members, the first with x_wipe_free_str().
 */
void login_keys_make(struct ask *ask, const struct config *config, const char *device_id,
        const char *password, const struct login_keys_wish *wish, struct login_keys *out);

/*
 * register.h - registers an account on the homeserver, without logging in.
 */
#pragma once

#include "bot/setup/ask.h"

enum register_by {
	REGISTER_BY_SECRET, /* Synapse's registration_shared_secret, through its admin API */
	REGISTER_BY_TOKEN,  /* a registration token of the client-server API */
};

/*
 * Registers `user_id` with this password; key is the secret or the token. ERR_EXISTS: the account
 * exists; ERR_DENIED: the key is wrong; ERR_UNSUPPORTED: the homeserver does not offer this way, or
 * requires further stages; otherwise the error of the homeserver. *fault has the reason for people.
 */
enum err register_account(struct ask *ask, enum register_by by, const char *user_id,
        const char *password, const char *key, struct fault *fault);

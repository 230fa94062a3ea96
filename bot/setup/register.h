/*
 * register.h - makes an account on the homeserver, without a login to it.
 */
#pragma once

#include "bot/setup/ask.h"

enum register_by {
	REGISTER_BY_SECRET, /* Synapse's registration_shared_secret, by its admin API */
	REGISTER_BY_TOKEN,  /* a registration token of the client-server API */
};

/*
 * The account `user_id` with this password; key is the secret or the token. ERR_EXISTS: there is
 * one already; ERR_DENIED: the key is wrong; ERR_UNSUPPORTED: the homeserver has no such way, or
 * wants more than that; else as the homeserver answers. *fault says it for a person.
 */
enum err register_account(struct ask *ask, enum register_by by, const char *user_id,
        const char *password, const char *key, struct fault *fault);

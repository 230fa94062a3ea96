/*
 * device_state.h - whether an account has signed a device, according to the public keys that the
 * homeserver shows, whose signatures are verified.
 */
#pragma once

#include "bot/setup/ask.h"

enum device_state {
	DEVICE_WITHOUT_KEYS, /* the homeserver has none of this device */
	DEVICE_FALSE_KEYS,   /* it shows keys that this device did not sign */
	DEVICE_NO_IDENTITY,  /* the account has no cross-signing keys */
	DEVICE_UNSIGNED,     /* it has some, which did not sign this device */
	DEVICE_SIGNED,
};

/* Asks the homeserver, as the user of the token. answer: its answer, which the caller finishes;
 * when its code is not OK, *state is not set. */
void device_state_ask(struct ask *ask, const char *user_id, const char *device_id,
        struct ask_answer *answer, enum device_state *state);

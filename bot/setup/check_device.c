/*
 * check_device.c - part of `check`: whether readers of encrypted rooms will trust this device,
 * according to its public keys on the homeserver, whose signatures are verified.
 */
#include <stdio.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/setup/check.h"
#include "bot/crypto/signed_keys.h"
#include "bot/base/exit_code.h"

#define WHAT "device"

static const json_t *of_user(const struct check *check, const json_t *body, const char *member)
{
	return json_object_get(json_object_get(body, member), check->user_id);
}

/* An error if a room is encrypted, else only a warning. */
static void check_bad(struct check *check, const char *found)
{
	if (check->encrypted)
		check_fault(check, EX_UNAVAILABLE, WHAT, "%s: %s", check->device_id, found);
	else
		check_warning(check, WHAT, "%s: %s", check->device_id, found);
}

static void check_device_judge(struct check *check, const json_t *body)
{
	const json_t *device =
	        json_object_get(of_user(check, body, "device_keys"), check->device_id);
	const json_t *self = of_user(check, body, "self_signing_keys");
	const char *master_key = signed_keys_only(of_user(check, body, "master_keys"));
	const char *self_key = signed_keys_only(self);
	char *own_id = x_asprintf("ed25519:%s", check->device_id);
	const char *own_key =
	        json_string_value(json_object_get(json_object_get(device, "keys"), own_id));

	free(own_id);
	if (!device) {
		check_good(check, WHAT, "%s has no encryption keys yet: created on first start",
		        check->device_id);
	} else if (!signed_keys_of_device(device, check->user_id, check->device_id)) {
		check_fault(check, EX_UNAVAILABLE, WHAT,
		        "the homeserver shows keys of %s that are not its own", check->device_id);
		check_fix(check, "log in again (matrix-telemetry-bot login), and ask the "
		                 "homeserver's admin how they came there");
	} else if (!master_key || !self_key) {
		check_bad(check, "the account has no cross-signing keys");
		check_fix(check,
		        "start the daemon: it creates them, or says in its log what prevents that");
	} else if (!signed_keys_by(self, check->user_id, master_key) ||
	           !signed_keys_by(device, check->user_id, self_key)) {
		check_bad(check,
		        "not cross-signed by this account: nobody can read it in encrypted rooms");
		check_fix(check, "set [encryption] recovery_key_command to the account's recovery "
		                 "key, and restart the daemon");
	} else {
		check_good(check, WHAT, "%s is cross-signed; fingerprint %s", check->device_id,
		        own_key);
	}
}

void check_device(struct check *check)
{
	struct ask_answer answer;
	json_t *body;

	if (!check->logged_in)
		return;
	body = json_pack("{s:{s:[]}}", "device_keys", check->user_id);
	ask_call(check->ask, "POST", "/v3/keys/query", body, &answer);
	json_decref(body);
	if (answer.code == OK)
		check_device_judge(check, answer.body);
	else
		check_warning(check, WHAT, "cannot ask for its keys: %s", answer.error);
	ask_answer_finish(&answer);
}

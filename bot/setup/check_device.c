/*
 * check_device.c - part of `check`: whether readers of encrypted rooms will trust this device.
 */
#include "bot/base/alloc.h"
#include "bot/base/exit_code.h"
#include "bot/setup/check.h"
#include "bot/setup/device_state.h"

#define WHAT "device"

/* An error if a room is encrypted, else only a warning. */
static void check_bad(struct check *check, const char *found)
{
	if (check->encrypted)
		check_fault(check, EX_UNAVAILABLE, WHAT, "%s: %s", check->device_id, found);
	else
		check_warning(check, WHAT, "%s: %s", check->device_id, found);
}

static const char *check_fingerprint(const struct check *check, const json_t *body)
{
	const json_t *device = json_object_get(
	        json_object_get(json_object_get(body, "device_keys"), check->user_id),
	        check->device_id);
	char *id = x_asprintf("ed25519:%s", check->device_id);
	const char *key = json_string_value(json_object_get(json_object_get(device, "keys"), id));

	free(id);
	return key;
}

static void check_device_judge(
        struct check *check, enum device_state state, const char *fingerprint)
{
	switch (state) {
	case DEVICE_WITHOUT_KEYS:
		check_good(check, WHAT, "%s has no encryption keys yet: created on first start",
		        check->device_id);
		break;
	case DEVICE_FALSE_KEYS:
		check_fault(check, EX_UNAVAILABLE, WHAT,
		        "the homeserver shows keys of %s that are not its own", check->device_id);
		check_fix(check, "log in again (matrix-telemetry-bot login), and ask the "
		                 "homeserver's admin how they got there");
		break;
	case DEVICE_NO_IDENTITY:
		check_bad(check, "the account has no cross-signing keys");
		check_fix(check,
		        "start the daemon: it creates them, or says in its log what prevents that");
		break;
	case DEVICE_UNSIGNED:
		check_bad(check,
		        "not cross-signed by this account: nobody can read it in encrypted rooms");
		check_fix(check, "run setup, which signs it with the account's recovery key, or "
		                 "set [encryption] recovery_key_command and restart the daemon");
		break;
	case DEVICE_SIGNED:
		check_good(check, WHAT, "%s is cross-signed; fingerprint %s", check->device_id,
		        fingerprint);
		break;
	}
}

void check_device(struct check *check)
{
	struct ask_answer answer;
	enum device_state state;

	if (!check->logged_in)
		return;
	device_state_ask(check->ask, check->user_id, check->device_id, &answer, &state);
	if (answer.code == OK)
		check_device_judge(check, state, check_fingerprint(check, answer.body));
	else
		check_warning(check, WHAT, "cannot ask for its keys: %s", answer.error);
	ask_answer_finish(&answer);
}

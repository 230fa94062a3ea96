/*
 * device_state.c - see device_state.h.
 */
#include "bot/setup/device_state.h"

#include "bot/crypto/signed_keys.h"

static enum device_state device_state_judge(
        const json_t *body, const char *user_id, const char *device_id)
{
	const json_t *device = json_object_get(
	        json_object_get(json_object_get(body, "device_keys"), user_id), device_id);
	const json_t *self = json_object_get(json_object_get(body, "self_signing_keys"), user_id);
	const char *master_key =
	        signed_keys_only(json_object_get(json_object_get(body, "master_keys"), user_id));
	const char *self_key = signed_keys_only(self);

	if (!device)
		return DEVICE_WITHOUT_KEYS;
	if (!signed_keys_of_device(device, user_id, device_id))
		return DEVICE_FALSE_KEYS;
	if (!master_key || !self_key)
		return DEVICE_NO_IDENTITY;
	return signed_keys_by(self, user_id, master_key) &&
	                       signed_keys_by(device, user_id, self_key)
	               ? DEVICE_SIGNED
	               : DEVICE_UNSIGNED;
}

void device_state_ask(struct ask *ask, const char *user_id, const char *device_id,
        struct ask_answer *answer, enum device_state *state)
{
	json_t *body = json_pack("{s:{s:[]}}", "device_keys", user_id);

	ask_call(ask, "POST", "/v3/keys/query", body, answer);
	json_decref(body);
	if (answer->code == OK)
		*state = device_state_judge(answer->body, user_id, device_id);
}

/*
 * verify_ask.c - lists verifications for a person on the host, and carries out that person's
 * decisions; see crypto.h.
 */
#include <string.h>
#include "bot/crypto/devices.h"
#include "bot/crypto/verify.h"

static const char *const state_names[] = {
        [VERIFY_REQUESTED] = "requested",
        [VERIFY_READY] = "ready",
        [VERIFY_STARTED] = "started",
        [VERIFY_COMPARE] = "compare",
        [VERIFY_CONFIRMED] = "confirmed",
        [VERIFY_DONE] = "done",
        [VERIFY_CANCELLED] = "cancelled",
};

/* ---- listing ---- */

static void verify_ask_add_comparison(const struct verify *v, json_t *object)
{
	struct sas_emoji emoji[SAS_EMOJI];
	unsigned decimals[SAS_DECIMALS];
	json_t *list = json_array(), *numbers = json_array();

	sas_emoji(v->bytes, emoji);
	sas_decimals(v->bytes, decimals);
	for (int i = 0; i < SAS_EMOJI; i++) {
		json_array_append_new(list,
		        json_pack("{s:s, s:s}", "emoji", emoji[i].emoji, "name", emoji[i].name));
	}
	for (int i = 0; i < SAS_DECIMALS; i++)
		json_array_append_new(numbers, json_integer(decimals[i]));
	json_object_set_new(object, "emoji", list);
	json_object_set_new(object, "decimals", numbers);
}

static enum err verify_ask_describe(struct crypto *crypto, const struct verify *v, json_t **out)
{
	AUTO_JSON row = NULL;
	const json_t *device;
	const char *changed;
	enum err err = devices_row(crypto, v->user_id, &row);

	*out = NULL;
	if (err != OK)
		return err;
	device = js_obj(js_obj(row, "devices"), v->device_id);
	changed = js_str(row, "changed");
	*out = json_pack(
	        "{s:s, s:s, s:s, s:s?, s:s?, s:b, s:b, s:s?, s:s, s:I, s:I, s:s?, s:s?, s:b}", "id",
	        v->id, "user_id", v->user_id, "device_id", v->device_id, "fingerprint",
	        device ? devices_key(device, v->device_id, "ed25519") : NULL, "identity",
	        changed ? changed : js_str(row, "pin"), "identity_changed", changed != NULL, "own",
	        strcmp(v->user_id, crypto->user_id) == 0, "room_id", v->room_id, "state",
	        state_names[v->state], "since_ms", (json_int_t)v->since_ms, "until_ms",
	        (json_int_t)v->until_ms, "code", v->code, "reason", v->reason, "by_them",
	        v->by_them);
	if (v->state == VERIFY_COMPARE || v->state == VERIFY_CONFIRMED)
		verify_ask_add_comparison(v, *out);
	return OK;
}

enum err crypto_verifications(struct crypto *crypto, json_t **out)
{
	const struct verify *v;
	enum err err = OK;

	*out = json_array();
	TAILQ_FOREACH(v, &crypto->verifications, link)
	{
		json_t *object;

		err = verify_ask_describe(crypto, v, &object);
		if (err != OK) {
			json_decref(*out);
			*out = NULL;
			break;
		}
		json_array_append_new(*out, object);
	}
	return err;
}

/* ---- deciding ---- */

static struct verify *verify_ask_by_id(struct crypto *crypto, const char *user_id, const char *id)
{
	struct verify *v;

	TAILQ_FOREACH(v, &crypto->verifications, link)
	{
		if (strcmp(v->user_id, user_id) == 0 && strcmp(v->id, id) == 0)
			return v;
	}
	return NULL;
}

static enum err verify_ask_find(struct crypto *crypto, const char *user_id, const char *id,
        enum verify_state state, struct verify **v, struct fault *fault)
{
	*v = verify_ask_by_id(crypto, user_id, id);
	if (!*v)
		return fault_set(fault, ERR_NOT_FOUND, "no such verification");
	if ((*v)->state == VERIFY_CANCELLED)
		return fault_set(fault, ERR_CANCELED, "it was cancelled: %s", (*v)->reason);
	return (*v)->state == state
	               ? OK
	               : fault_set(fault, ERR_INVALID, "it is %s", state_names[(*v)->state]);
}

/* Checks that the user's devices are known, without which nothing can be proven. Devices of users
 * who share no room are queried only now, when a person here accepts. */
static enum err verify_ask_check_known(
        struct crypto *crypto, int64_t now_ms, const struct verify *v, struct fault *fault)
{
	AUTO_JSON row = NULL;
	bool wait = false;
	enum err err = devices_track(crypto, v->user_id);

	if (err == OK)
		err = devices_must_wait(crypto, now_ms, v->user_id, &wait);
	if (err == OK)
		err = devices_row(crypto, v->user_id, &row);
	if (err != OK)
		return err;
	if (wait) {
		return fault_set(
		        fault, ERR_BUSY, "the devices of %s are being asked for", v->user_id);
	}
	if (!js_obj(js_obj(row, "devices"), v->device_id)) {
		return fault_set(fault, ERR_DENIED, "the homeserver knows no device %s of %s",
		        v->device_id, v->user_id);
	}
	if (!js_str(row, "pin")) {
		return fault_set(fault, ERR_DENIED,
		        "%s has no cross-signing identity: there is nothing to verify", v->user_id);
	}
	return OK;
}

enum err crypto_verify_accept(struct crypto *crypto, int64_t now_ms, const char *user_id,
        const char *id, struct fault *fault)
{
	struct verify *v;
	enum err err = verify_ask_find(crypto, user_id, id, VERIFY_REQUESTED, &v, fault);

	if (err == OK)
		err = verify_ask_check_known(crypto, now_ms, v, fault);
	if (err == ERR_DENIED) {
		verify_cancel(v, now_ms, "m.user", fault->text);
		return err;
	}
	if (err != OK)
		return err;
	v->state = VERIFY_READY;
	if (v->start) { /* the start came without a request */
		verify_sas_take_start(crypto, v, now_ms, v->start);
	} else {
		verify_say(v, VERIFY_PREFIX "ready",
		        json_pack("{s:s, s:[s]}", "from_device", crypto->device_id, "methods",
		                VERIFY_METHOD));
	}
	return OK;
}

enum err crypto_verify_confirm(struct crypto *crypto, int64_t now_ms, const char *user_id,
        const char *id, struct fault *fault)
{
	struct verify *v;
	enum err err = verify_ask_find(crypto, user_id, id, VERIFY_COMPARE, &v, fault);

	return err == OK ? verify_sas_confirm(crypto, v, now_ms) : err;
}

enum err crypto_verify_cancel(struct crypto *crypto, int64_t now_ms, const char *user_id,
        const char *id, bool mismatch, struct fault *fault)
{
	struct verify *v = verify_ask_by_id(crypto, user_id, id);

	if (!v)
		return fault_set(fault, ERR_NOT_FOUND, "no such verification");
	if (v->state == VERIFY_DONE || v->state == VERIFY_CANCELLED)
		return fault_set(fault, ERR_INVALID, "it is %s already", state_names[v->state]);
	verify_cancel(v, now_ms, mismatch ? "m.mismatched_sas" : "m.user",
	        mismatch ? "the emoji do not match" : "cancelled on the host");
	return OK;
}

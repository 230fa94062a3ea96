/*
 * login_keys.c - see login_keys.h. Runs the daemon's encryption machine (bot/vault/core.c) with
 * blocking requests, one at a time.
 */
#include "bot/setup/login_keys.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/vault/vault_internal.h"
#include "storage/state.h"

#define ROUNDS_MAX 20 /* so that no homeserver can prolong polling and sending without end */
#define DEFAULT_KEY "m.secret_storage.default_key"

struct keys {
	struct ask *ask;
	const struct config *config;
	const char *device_id, *password;
	struct store *store;
	struct vault_core core;
	struct core_look look;
	struct fault fault;
};

/* Commits the transaction, or rolls it back if its work failed. */
static enum err login_keys_finish(struct keys *keys, enum err err)
{
	if (err == OK)
		return store_commit(keys->store);
	store_rollback(keys->store);
	return err;
}

/* Files created by root would be inaccessible to the daemon's own user. */
static bool is_anothers(const char *database)
{
	char *folder = x_strdup(database), *slash = strrchr(folder, '/');
	struct stat st;
	bool anothers;

	if (slash)
		*slash = '\0';
	anothers = stat(slash ? folder : ".", &st) != 0 ? geteuid() == 0 : st.st_uid != geteuid();
	free(folder);
	return anothers;
}

/* The database belongs to this device from now on, which is the one it had if `login` could reuse
 * it. */
static enum err take_device(struct keys *keys)
{
	enum err err = state_set(keys->store, "device_id", keys->device_id);

	return err == OK ? state_set(keys->store, "user_id", keys->config->matrix.user) : err;
}

static enum err open_machine(struct keys *keys)
{
	struct crypto_options options = {
	        .user_id = keys->config->matrix.user, .device_id = keys->device_id};
	char fingerprint[64];
	enum err err = key_check(keys->config, keys->store, &keys->fault);

	if (err == OK)
		err = key_read(keys->config, true, options.pickle_key, &keys->fault);
	if (err == OK)
		err = store_begin(keys->store);
	if (err == OK) {
		err = take_device(keys);
		if (err == OK)
			err = core_open(&keys->core, keys->store, &options, false, fingerprint,
			        &keys->fault);
		if (err == OK) /* the device may have been deleted since */
			err = crypto_lists_missed(keys->core.machine);
		err = login_keys_finish(keys, err);
	}
	explicit_bzero(&options, sizeof(options));
	return err;
}

/* ---- requests ---- */

static bool wants_password(const struct crypto_request *request, const struct ask_answer *answer)
{
	return request->kind == CRYPTO_SIGNING_UPLOAD &&
	       json_is_array(json_object_get(answer->body, "flows"));
}

/* Repeats the request with the password (client-server API, "User-Interactive Authentication"). */
static void send_with_password(const struct keys *keys, const struct crypto_request *request,
        json_t *body, struct ask_answer *answer)
{
	json_t *auth = json_pack("{s:s, s:{s:s, s:s}, s:s, s:O*}", "type", "m.login.password",
	        "identifier", "type", "m.id.user", "user", keys->config->matrix.user, "password",
	        keys->password, "session", json_object_get(answer->body, "session"));
	const json_t *password = json_object_get(auth, "password");

	ask_answer_finish(answer);
	json_object_set(body, "auth", auth);
	ask_call(keys->ask, request->method, request->path, body, answer);
	if (password)
		explicit_bzero((char *)json_string_value(password), json_string_length(password));
	json_decref(auth);
}

/* Sends a request. ERR_NET and the like: it was not rejected and may be repeated later. */
static enum err send_one(struct keys *keys, const struct crypto_request *request)
{
	json_t *body = json_loads(request->body, 0, NULL);
	struct ask_answer answer;
	enum err err;

	ask_call(keys->ask, request->method, request->path, body, &answer);
	if (keys->password && wants_password(request, &answer))
		send_with_password(keys, request, body, &answer);
	json_decref(body);
	err = answer.code;
	if (err != OK)
		fault_set(&keys->fault, err, "%s: %s", request->path, answer.error);
	if (err == OK || err == ERR_DENIED || err == ERR_REJECTED || err == ERR_NOT_FOUND) {
		enum err kept = store_begin(keys->store);

		if (kept == OK)
			kept = login_keys_finish(
			        keys, err == OK ? crypto_answer(keys->core.machine, clock_now_ms(),
			                                  request->id, answer.body, &keys->fault)
			                        : crypto_refused(keys->core.machine, clock_now_ms(),
			                                  request->id, answer.error));
		err = err == OK ? kept : err;
	}
	ask_answer_finish(&answer);
	return err;
}

static enum err login_keys_look_up(struct keys *keys)
{
	enum err err = store_begin(keys->store);

	core_look_finish(&keys->look);
	keys->look.status_due = true;
	return err == OK ? login_keys_finish(keys, core_look(&keys->core, &keys->look)) : err;
}

/* Runs until this device is signed, or somebody must act. */
static enum err login_keys_settle(struct keys *keys)
{
	enum err err = OK;

	for (int round = 0; err == OK && round < ROUNDS_MAX; round++) {
		err = login_keys_look_up(keys);
		if (err == OK && keys->look.requests_len == 0)
			return OK;
		for (size_t i = 0; err == OK && i < keys->look.requests_len; i++)
			err = send_one(keys, &keys->look.requests[i]);
	}
	return err;
}

/* ---- keys that the account has already ---- */

static bool login_keys_are_foreign(const struct keys *keys)
{
	enum crypto_identity identity = keys->look.status.identity;

	return identity == CRYPTO_IDENTITY_FOREIGN || identity == CRYPTO_IDENTITY_CHANGED;
}

/* One piece of account data; an empty object when there is none. */
static enum err login_keys_fetch(struct keys *keys, const char *type, json_t *account_data)
{
	char *path = mx_path("/v3/user/%s/account_data/%s", keys->config->matrix.user, type);
	struct ask_answer answer;
	enum err err;

	ask_call(keys->ask, "GET", path, NULL, &answer);
	free(path);
	err = answer.code == ERR_NOT_FOUND ? OK : answer.code;
	if (err != OK)
		fault_set(&keys->fault, err, "account data %s: %s", type, answer.error);
	else if (answer.code == OK)
		json_object_set(account_data, type, answer.body);
	else
		json_object_set_new(account_data, type, json_object());
	ask_answer_finish(&answer);
	return err;
}

/* Signs this device with the keys in secret storage. */
static enum err login_keys_recover(struct keys *keys, const char *recovery)
{
	json_t *account_data = json_object();
	enum err err = OK;
	char *type = NULL;

	for (int round = 0; err == OK && round < RECOVERY_ROUNDS_MAX; round++) {
		free(type);
		type = recovery_missing_type(account_data);
		if (!type)
			break;
		err = login_keys_fetch(keys, type, account_data);
	}
	free(type);
	if (err == OK)
		err = store_begin(keys->store);
	if (err == OK)
		err = login_keys_finish(
		        keys, crypto_secrets_take(keys->core.machine, clock_now_ms(), recovery,
		                      account_data, &keys->fault));
	json_decref(account_data);
	return err == OK ? login_keys_settle(keys) : err;
}

static enum err login_keys_reset(struct keys *keys)
{
	enum err err = store_begin(keys->store);

	if (err == OK)
		err = login_keys_finish(keys,
		        crypto_bootstrap(keys->core.machine, clock_now_ms(), true, &keys->fault));
	return err == OK ? login_keys_settle(keys) : err;
}

/* ---- secret storage ---- */

static enum err has_storage(struct keys *keys, bool *has)
{
	json_t *account_data = json_object();
	enum err err = login_keys_fetch(keys, DEFAULT_KEY, account_data);

	*has = json_is_string(json_object_get(json_object_get(account_data, DEFAULT_KEY), "key"));
	json_decref(account_data);
	return err;
}

static enum err make_storage(struct keys *keys, char **recovery_key)
{
	enum err err = store_begin(keys->store);

	if (err == OK)
		err = login_keys_finish(keys,
		        crypto_secrets_make(keys->core.machine, clock_now_ms(), recovery_key));
	if (err == OK)
		err = login_keys_settle(keys);
	if (err != OK) { /* the key opens none or not all of the secrets */
		x_wipe_free_str(*recovery_key);
		*recovery_key = NULL;
	}
	return err;
}

/* is_new: the identity was made just now, so what is in secret storage belongs to another one. */
static void login_keys_judge(struct keys *keys, bool is_new, struct login_keys *out)
{
	bool has = false;
	enum err err = OK;

	switch (keys->look.status.identity) {
	case CRYPTO_IDENTITY_GOOD:
		err = is_new ? OK : has_storage(keys, &has);
		if (err == OK && !has)
			err = make_storage(keys, &out->recovery_key);
		else if (err == OK)
			out->note = x_strdup("this device is cross-signed, and the account has "
			                     "secret storage already");
		break;
	case CRYPTO_IDENTITY_FOREIGN:
	case CRYPTO_IDENTITY_CHANGED:
		out->foreign = true;
		out->note =
		        x_strdup("the account has cross-signing keys already: set [encryption] "
		                 "recovery_key_command to its recovery key, and start the daemon; "
		                 "or run setup, which can also replace them");
		break;
	default:
		out->note = x_strdup("the homeserver does not show this device as cross-signed "
		                     "yet; the daemon retries, and status says what is wrong");
		break;
	}
	if (err != OK)
		out->note = x_asprintf("no recovery key was made: %s",
		        keys->fault.text[0] ? keys->fault.text : err_text(err));
}

void login_keys_make(struct ask *ask, const struct config *config, const char *device_id,
        const char *password, const struct login_keys_wish *wish, struct login_keys *out)
{
	struct keys keys = {
	        .ask = ask, .config = config, .device_id = device_id, .password = password};
	const char *database = config->storage.database;
	bool foreign, is_new;
	enum err err;

	*out = (struct login_keys){0};
	if (is_anothers(database)) {
		out->note = x_strdup("encryption keys are created when the daemon starts; log in "
		                     "as the daemon's user to get a recovery key for them");
		return;
	}
	err = store_open(&keys.store, database, &keys.fault);
	if (err == ERR_BUSY) {
		out->note =
		        x_strdup("the daemon is running and creates its encryption keys itself; "
		                 "stop it and log in again to get a recovery key for them");
		return;
	}
	if (err == OK)
		err = open_machine(&keys);
	if (err == OK)
		err = login_keys_settle(&keys);
	foreign = err == OK && login_keys_are_foreign(&keys);
	is_new = foreign && wish->reset;
	if (is_new)
		err = login_keys_reset(&keys);
	else if (foreign && wish->recovery)
		err = login_keys_recover(&keys, wish->recovery);
	if (err == OK) {
		login_keys_judge(&keys, is_new, out);
	} else {
		out->foreign = foreign;
		out->note = x_asprintf("%s: %s%s",
		        !foreign ? "no encryption keys yet"
		        : is_new ? "no new keys"
		                 : "recovery key",
		        keys.fault.text[0] ? keys.fault.text : err_text(err),
		        foreign ? "" : "; the daemon retries when it starts");
	}
	core_look_finish(&keys.look);
	core_close(&keys.core);
	store_close(keys.store);
}

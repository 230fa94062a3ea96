/*
 * recovery.c - for an account that already has cross-signing keys: reads them from secret storage
 * with the recovery key, so that this device can be signed; see vault_internal.h.
 *
 * Reads the recovery key (on libuv's pool), fetches the account data that crypto_secrets_types()
 * names, one after the other, and passes all of it to the machine.
 */
#include <stdio.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/log.h"
#include "bot/config/secret.h"
#include "bot/vault/vault_internal.h"

#define REQUEST_TIMEOUT_MS 30000
#define AGAIN_MS (10 * CLOCK_MINUTE_MS)
#define OFFLINE_MS CLOCK_SECOND_MS

struct recovery {
	uv_work_t work;
	struct vault *vault;
	struct config *config; /* referenced */
	char *key;
	json_t *account_data; /* {type: content} */
	char *type;           /* being fetched */
	struct mx_call *call;
	unsigned rounds;
	struct fault fault;
	enum err err;
};

static void recovery_fetch_next(struct recovery *recovery);

static void recovery_end(struct recovery *recovery, int64_t again_ms)
{
	struct vault *vault = recovery->vault;

	vault->recovery = NULL;
	vault->recovery_ms = clock_monotonic_ms() + again_ms;
	x_wipe_free_str(recovery->key);
	json_decref(recovery->account_data);
	free(recovery->type);
	config_unref(recovery->config);
	free(recovery);
	vault_pump(vault);
	vault_job_ended(vault);
}

/* No error: it is continued once there is a token again. */
static void recovery_put_off(struct recovery *recovery)
{
	recovery_end(recovery, OFFLINE_MS);
}

static void recovery_fail(struct recovery *recovery, const char *why)
{
	vault_problem_set(recovery->vault, VAULT_RECOVERY, "recovery key: %s", why);
	recovery_end(recovery, AGAIN_MS);
}

static enum err take_work(struct store *store, void *arg)
{
	struct recovery *recovery = arg;

	return crypto_secrets_take(recovery->vault->core.machine, clock_now_ms(), recovery->key,
	        recovery->account_data, &recovery->fault);
}

static void take_done(enum err result, const char *message, void *arg)
{
	struct recovery *recovery = arg;

	if (result != OK) {
		recovery_fail(recovery, recovery->fault.text[0] ? recovery->fault.text : message);
		return;
	}
	log_info("vault", "fetched the account's cross-signing keys from secret storage");
	recovery_end(recovery, AGAIN_MS);
}

static void recovery_on_fetched(const struct mx_answer *answer, void *arg)
{
	struct recovery *recovery = arg;
	char text[512];

	recovery->call = NULL;
	if (recovery->vault->closing || answer->code == ERR_AUTH || answer->code == ERR_CANCELED) {
		recovery_put_off(recovery);
		return;
	}
	if (answer->code == OK) {
		json_object_set(recovery->account_data, recovery->type, (json_t *)answer->body);
		recovery_fetch_next(recovery);
		return;
	}
	if (answer->code == ERR_NOT_FOUND) {
		json_t *nothing = json_object();

		json_object_set_new(recovery->account_data, recovery->type, nothing);
		recovery_fetch_next(recovery);
		return;
	}
	snprintf(text, sizeof(text), "account data %s: %s", recovery->type, answer->error);
	recovery_fail(recovery, text);
}

char *recovery_missing_type(const json_t *account_data)
{
	json_t *types = crypto_secrets_types(json_object_size(account_data) ? account_data : NULL);
	char *found = NULL;
	size_t i;
	json_t *type;

	json_array_foreach(types, i, type)
	{
		if (!found && !json_object_get(account_data, json_string_value(type)))
			found = x_strdup(json_string_value(type));
	}
	json_decref(types);
	return found;
}

static void recovery_fetch_next(struct recovery *recovery)
{
	struct vault *vault = recovery->vault;
	char *path;

	free(recovery->type);
	recovery->type = recovery_missing_type(recovery->account_data);
	if (!vault->mx) {
		recovery_put_off(recovery);
		return;
	}
	if (++recovery->rounds > RECOVERY_ROUNDS_MAX) {
		recovery_fail(recovery, "secret storage needs too many requests");
		return;
	}
	if (!recovery->type) {
		writer_submit(vault->writer, take_work, take_done, recovery);
		return;
	}
	path = mx_path("/v3/user/%s/account_data/%s", vault->user_id, recovery->type);
	recovery->call = mx_start(
	        vault->mx, "GET", path, NULL, REQUEST_TIMEOUT_MS, recovery_on_fetched, recovery);
	free(path);
}

static void read_work(uv_work_t *work)
{
	struct recovery *recovery = work->data;

	recovery->err = secret_read(&recovery->config->encryption.recovery_key, "recovery_key",
	        &recovery->key, &recovery->fault);
}

static void read_done(uv_work_t *work, int status)
{
	struct recovery *recovery = work->data;
	struct vault *vault = recovery->vault;

	if (vault->closing || !vault->mx) {
		recovery_put_off(recovery);
	} else if (recovery->err == ERR_NOT_FOUND) {
		/* the identity's problem is already shown */
		recovery_end(recovery, AGAIN_MS);
	} else if (recovery->err != OK) {
		recovery_fail(recovery, recovery->fault.text);
	} else {
		recovery_fetch_next(recovery);
	}
}

void recovery_start(struct vault *vault)
{
	struct recovery *recovery;

	if (vault->recovery || vault->closing || !vault->mx ||
	        clock_monotonic_ms() < vault->recovery_ms)
		return;
	recovery = x_calloc(1, sizeof(*recovery));
	recovery->vault = vault;
	recovery->work.data = recovery;
	recovery->config = config_ref(vault->config);
	recovery->account_data = json_object();
	vault->recovery = recovery;
	vault->jobs++;
	if (uv_queue_work(vault->loop, &recovery->work, read_work, read_done) != 0)
		abort();
}

void recovery_cancel(struct vault *vault)
{
	if (vault->recovery && vault->recovery->call)
		mx_cancel(vault->recovery->call);
}

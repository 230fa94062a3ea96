/*
 * vault.c - see vault.h: opening, looks, closing.
 *
 * A look (core_look() in a job) reads the machine's status and the requests to send; at most one
 * is in progress. It is taken after everything that may have changed the machine, and once a
 * minute.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/log.h"
#include "bot/vault/vault_internal.h"

#define LOOK_EVERY_MS CLOCK_MINUTE_MS
/* While a verification is in progress, or a room waits for keys, or after a look failed. */
#define LOOK_SOON_MS CLOCK_SECOND_MS
#define OPEN_AGAIN_MS (30 * CLOCK_SECOND_MS)
#define WAITS_LOOK_MS CLOCK_SECOND_MS

static void vault_open(struct vault *vault);

void vault_problem_set(struct vault *vault, enum vault_cause cause, const char *format, ...)
{
	char text[sizeof(vault->problems[cause])];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (strcmp(text, vault->problems[cause]) != 0)
		log_error("vault", "encrypted rooms on hold: %s", text);
	memcpy(vault->problems[cause], text, sizeof(text));
}

void vault_problem_clear(struct vault *vault, enum vault_cause cause)
{
	vault->problems[cause][0] = '\0';
}

/* Sets the problem for a step that needs no operator: shown in status, but not logged. */
static void vault_step_set(struct vault *vault, enum vault_cause cause, const char *text)
{
	snprintf(vault->problems[cause], sizeof(vault->problems[cause]), "%s", text);
}

/* ---- looks ---- */

struct look_job {
	struct vault *vault;
	struct core_look look;
};

static void vault_judge_identity(struct vault *vault)
{
	switch (vault->identity) {
	case CRYPTO_IDENTITY_FOREIGN:
		vault_problem_set(vault, VAULT_IDENTITY,
		        "the account has cross-signing keys that this database lacks: set "
		        "[encryption] recovery_key_command, or run matrix-telemetry-bot "
		        "setup, which asks for the recovery key or replaces them");
		return;
	case CRYPTO_IDENTITY_CHANGED:
		vault_problem_set(vault, VAULT_IDENTITY,
		        "somebody replaced the account's cross-signing keys: find out who; if it "
		        "was intended, set [encryption] recovery_key_command to the new recovery "
		        "key");
		return;
	case CRYPTO_IDENTITY_UNKNOWN:
	case CRYPTO_IDENTITY_NONE:
		vault_step_set(vault, VAULT_IDENTITY,
		        "waiting for the account's keys from the homeserver");
		return;
	case CRYPTO_IDENTITY_UNSIGNED:
		vault_step_set(vault, VAULT_IDENTITY, "this device is not cross-signed yet");
		break;
	case CRYPTO_IDENTITY_GOOD:
		vault_problem_clear(vault, VAULT_IDENTITY);
		break;
	}
	vault_problem_clear(vault, VAULT_RECOVERY); /* the recovery key is not needed */
}

static bool vault_any_under_way(const json_t *verifications)
{
	const json_t *verification;
	size_t i;

	json_array_foreach((json_t *)verifications, i, verification)
	{
		const char *state = json_string_value(json_object_get(verification, "state"));

		if (strcmp(state, "done") != 0 && strcmp(state, "cancelled") != 0)
			return true;
	}
	return false;
}

/* Replaces a stored value by the one of the look. */
static void vault_exchange(json_t **kept, json_t **looked)
{
	json_decref(*kept);
	*kept = *looked;
	*looked = NULL;
}

static void vault_take_status(struct vault *vault, struct crypto_status *status)
{
	if (vault->identity != status->identity)
		log_info("vault", "this device (%s) is %s", vault->device_id,
		        crypto_identity_name(status->identity));
	vault->identity = status->identity;
	vault_judge_identity(vault);
	vault_exchange(&vault->notices, &status->notices);
	if (vault->mark_notice[0])
		json_array_append_new(vault->notices, json_string(vault->mark_notice));
	vault_exchange(&vault->verified, &status->verified);
}

static void vault_take_look(struct vault *vault, struct core_look *look)
{
	bool changed = (look->has_status && vault->identity != look->status.identity) ||
	               vault->problems[VAULT_KEYS][0];

	vault_problem_clear(vault, VAULT_KEYS);
	if (look->has_status)
		vault_take_status(vault, &look->status);
	vault_exchange(&vault->verifications, &look->verifications);
	readers_take(vault, look);
	if (vault_any_under_way(vault->verifications))
		vault->look_ms = clock_monotonic_ms() + LOOK_SOON_MS;
	if (vault->identity == CRYPTO_IDENTITY_FOREIGN ||
	        vault->identity == CRYPTO_IDENTITY_CHANGED)
		recovery_start(vault);
	if (vault->mx)
		calls_take(vault, look->requests, look->requests_len);
	if (changed && vault->identity == CRYPTO_IDENTITY_GOOD)
		vault->events.on_change(vault->events.arg);
}

static enum err vault_look_work(struct store *store, void *arg)
{
	struct look_job *job = arg;

	return core_look(&job->vault->core, &job->look);
}

static void vault_look_done(enum err result, const char *message, void *arg)
{
	struct look_job *job = arg;
	struct vault *vault = job->vault;

	vault->looking = false;
	vault->look_ms = clock_monotonic_ms() + (result == OK ? LOOK_EVERY_MS : LOOK_SOON_MS);
	if (result != OK)
		vault_problem_set(vault, VAULT_KEYS, "the stored keys cannot be used: %s",
		        message[0] ? message : err_text(result));
	else if (!vault->closing)
		vault_take_look(vault, &job->look);
	vault->readers_due = vault->readers_due || result != OK;
	vault->status_due = vault->status_due || result != OK;
	readers_end(&job->look);
	core_look_finish(&job->look);
	free(job);
	if (vault->look_again)
		vault_pump(vault);
	vault_arm(vault);
	vault_job_ended(vault);
}

void vault_pump(struct vault *vault)
{
	struct look_job *job;

	if (vault->closing || !vault->open || !vault->mx)
		return;
	vault->look_again = vault->looking;
	if (vault->looking)
		return;
	vault->looking = true;
	job = x_calloc(1, sizeof(*job));
	job->vault = vault;
	job->look.status_due = vault->status_due;
	vault->status_due = false;
	readers_begin(vault, &job->look);
	vault->jobs++;
	writer_submit(vault->writer, vault_look_work, vault_look_done, job);
}

void vault_pump_soon(struct vault *vault)
{
	int64_t soon_ms = clock_monotonic_ms() + LOOK_SOON_MS;

	if (vault->looking)
		vault->look_again = true;
	if (vault->closing || vault->looking || !vault->open || vault->look_ms <= soon_ms)
		return;
	vault->look_ms = soon_ms;
	vault_arm(vault);
}

/* Whether every room is known and none is encrypted: then the messages that waited go first. */
static bool vault_may_wait(const struct vault *vault)
{
	size_t len = vault->rooms ? rooms_len(vault->rooms) : 0;

	for (size_t i = 0; i < len; i++)
		if (!rooms_at(vault->rooms, i)->room_id || rooms_at(vault->rooms, i)->encrypted)
			return false;
	return len > 0;
}

void vault_pump_at_start(struct vault *vault)
{
	if (vault_may_wait(vault))
		vault_pump_soon(vault);
	else
		vault_pump(vault);
}

void vault_room_waits(struct vault *vault)
{
	vault_pump(vault);
	if (vault->waits_ms != INT64_MAX || vault->identity != CRYPTO_IDENTITY_GOOD)
		return;
	vault->waits_ms = clock_monotonic_ms() + WAITS_LOOK_MS;
	vault_arm(vault);
}

/* ---- time ---- */

static void vault_on_timer(uv_timer_t *timer)
{
	struct vault *vault = timer->data;
	int64_t now_ms = clock_monotonic_ms();

	if (!vault->open)
		vault_open(vault);
	else if (vault->look_ms <= now_ms)
		vault_pump(vault);
	if (vault->mx)
		calls_due(vault, now_ms);
	mark_due(vault, now_ms);
	if (vault->waits_ms <= now_ms) {
		vault->waits_ms = INT64_MAX;
		vault->events.on_change(vault->events.arg);
	}
	vault_arm(vault);
}

void vault_arm(struct vault *vault)
{
	int64_t now_ms = clock_monotonic_ms(), next_ms = calls_next_ms(vault);

	if (vault->closing || !vault->mx || vault->opening)
		return;
	if (!vault->looking && vault->look_ms < next_ms)
		next_ms = vault->look_ms;
	if (vault->open && vault->mark_ms < next_ms)
		next_ms = vault->mark_ms;
	if (vault->waits_ms < next_ms)
		next_ms = vault->waits_ms;
	if (next_ms != INT64_MAX)
		uv_timer_start(&vault->timer, vault_on_timer,
		        next_ms > now_ms ? (uint64_t)(next_ms - now_ms) : 0, 0);
}

/* ---- opening ---- */

struct open_job {
	uv_work_t work;
	struct vault *vault;
	struct config *config; /* referenced */
	char *user_id, *device_id;
	uint8_t key[CRYPTO_PICKLE_KEY_LEN];
	char fingerprint[64];
	bool new_device;
	bool stored; /* the database has keys, which need their own pickle key */
	enum err err;
	struct fault fault;
};

static enum crypto_trust vault_trust_of(const struct config *config)
{
	if (strcmp(config->encryption.trust, "all") == 0)
		return CRYPTO_TRUST_ALL;
	return strcmp(config->encryption.trust, "verified") == 0 ? CRYPTO_TRUST_VERIFIED
	                                                         : CRYPTO_TRUST_CROSS_SIGNED;
}

static void vault_settle(struct vault *vault)
{
	if (!vault->settled && !vault->closing)
		vault->events.on_settled(vault->events.arg);
	vault->settled = true;
}

static void open_end(struct open_job *job, const char *problem)
{
	struct vault *vault = job->vault;

	vault->opening = false;
	vault_settle(vault);
	if (problem) {
		vault_problem_set(vault, VAULT_OPENING, "%s", problem);
		vault->look_ms = clock_monotonic_ms() + OPEN_AGAIN_MS;
	}
	explicit_bzero(job->key, sizeof(job->key));
	config_unref(job->config);
	free(job->user_id);
	free(job->device_id);
	free(job);
	vault_arm(vault);
	vault_job_ended(vault);
}

static enum err open_work(struct store *store, void *arg)
{
	struct open_job *job = arg;
	struct crypto_options options = {
	        .user_id = job->user_id,
	        .device_id = job->device_id,
	        .trust = vault_trust_of(job->config),
	};
	enum err err;

	memcpy(options.pickle_key, job->key, sizeof(job->key));
	err = core_open(
	        &job->vault->core, store, &options, job->new_device, job->fingerprint, &job->fault);
	explicit_bzero(&options, sizeof(options));
	return err;
}

static void open_done(enum err result, const char *message, void *arg)
{
	struct open_job *job = arg;
	struct vault *vault = job->vault;
	bool closing = vault->closing; /* then the last job frees the vault */

	if (result == ERR_CORRUPT)
		key_does_not_fit(&job->fault);
	if (result != OK) {
		open_end(job, job->fault.text[0] ? job->fault.text : message);
		return;
	}
	vault->open = true;
	vault_problem_clear(vault, VAULT_OPENING);
	vault_step_set(vault, VAULT_IDENTITY, "waiting for the account's keys from the homeserver");
	vault->new_device = false;
	memcpy(vault->fingerprint, job->fingerprint, sizeof(vault->fingerprint));
	open_end(job, NULL);
	if (closing)
		return;
	if (vault_may_wait(vault)) {
		vault->mark_ms = vault->look_ms = clock_monotonic_ms() + LOOK_SOON_MS;
		vault_arm(vault);
		return;
	}
	vault_pump(vault);
	mark_due(vault, clock_monotonic_ms());
}

static void key_work(uv_work_t *work)
{
	struct open_job *job = work->data;

	job->err = key_read(job->config, !job->stored || job->new_device, job->key, &job->fault);
}

static void key_done(uv_work_t *work, int status)
{
	struct open_job *job = work->data;

	if (job->err != OK || job->vault->closing)
		open_end(job, job->vault->closing ? NULL : job->fault.text);
	else
		writer_submit(job->vault->writer, open_work, open_done, job);
}

static enum err stored_work(struct store *store, void *arg)
{
	struct open_job *job = arg;

	return core_has_keys(store, &job->stored);
}

static void stored_done(enum err result, const char *message, void *arg)
{
	struct open_job *job = arg;

	if (result != OK || job->vault->closing)
		open_end(job, message);
	else if (uv_queue_work(job->vault->loop, &job->work, key_work, key_done) != 0)
		abort();
}

static void vault_open(struct vault *vault)
{
	struct open_job *job;

	if (vault->open || vault->opening || vault->closing)
		return;
	vault->opening = true;
	job = x_calloc(1, sizeof(*job));
	job->work.data = job;
	job->vault = vault;
	job->config = config_ref(vault->config);
	job->user_id = x_strdup(vault->user_id);
	job->device_id = x_strdup(vault->device_id);
	job->new_device = vault->new_device;
	vault->jobs++;
	writer_submit(vault->writer, stored_work, stored_done, job);
}

/* ---- life ---- */

struct vault *vault_create(uv_loop_t *loop, struct writer *writer, struct config *config,
        const struct vault_events *events)
{
	struct vault *vault = x_calloc(1, sizeof(*vault));

	vault->loop = loop;
	vault->writer = writer;
	vault->config = config_ref(config);
	vault->events = *events;
	vault->cipher = core_cipher;
	vault->cipher.arg = &vault->core;
	vault->waits_ms = INT64_MAX;
	vault->notices = json_array();
	vault->verified = json_array();
	vault->verifications = json_array();
	vault->readers = json_object();
	TAILQ_INIT(&vault->calls);
	uv_timer_init(loop, &vault->timer);
	vault->timer.data = vault;
	vault_step_set(vault, VAULT_OPENING, "waiting for the encryption keys to be opened");
	return vault;
}

void vault_configure(struct vault *vault, struct config *config)
{
	config_replace(&vault->config, config);
	vault->recovery_ms = 0;
	if (vault->mx && !vault->open)
		vault_open(vault);
	vault_pump(vault);
}

void vault_set_online(struct vault *vault, struct mx *mx, const struct rooms *rooms,
        const char *user_id, const char *device_id, bool new_device)
{
	vault->mx = mx;
	vault->rooms = rooms;
	free(vault->user_id);
	free(vault->device_id);
	vault->user_id = x_strdup(user_id);
	vault->device_id = x_strdup(device_id);
	vault->new_device = new_device && !vault->open;
	vault_open(vault);
	vault_pump(vault);
}

void vault_set_offline(struct vault *vault)
{
	vault->mx = NULL;
	vault->rooms = NULL;
	uv_timer_stop(&vault->timer);
	calls_cancel(vault);
	recovery_cancel(vault);
	mark_cancel(vault);
}

const char *vault_problem(const struct vault *vault)
{
	for (size_t i = 0; i < VAULT_CAUSES; i++)
		if (vault->problems[i][0])
			return vault->problems[i];
	return "";
}

const char *vault_identity(const struct vault *vault)
{
	return crypto_identity_name(vault->identity);
}

const char *vault_fingerprint(const struct vault *vault)
{
	return vault->fingerprint;
}

const json_t *vault_notices(const struct vault *vault)
{
	return vault->notices;
}

const json_t *vault_verified(const struct vault *vault)
{
	return vault->verified;
}

const json_t *vault_verifications(const struct vault *vault)
{
	return vault->verifications;
}

const json_t *vault_readers(const struct vault *vault)
{
	return vault->readers;
}

void vault_members_changed(struct vault *vault)
{
	vault->readers_due = true;
	vault_pump(vault);
}

struct vault_core *vault_core(struct vault *vault)
{
	return &vault->core;
}

const struct deliver_cipher *vault_cipher(struct vault *vault)
{
	return &vault->cipher;
}

static void vault_on_timer_closed(uv_handle_t *handle)
{
	struct vault *vault = handle->data;

	vault->timer_closed = true;
	vault_maybe_closed(vault);
}

void vault_maybe_closed(struct vault *vault)
{
	void (*closed)(void *arg) = vault->closed;
	void *arg = vault->closed_arg;

	if (!vault->closing || !vault->timer_closed || vault->jobs > 0 || calls_busy(vault))
		return;
	core_close(&vault->core); /* no job uses it any more */
	config_unref(vault->config);
	json_decref(vault->notices);
	json_decref(vault->verified);
	json_decref(vault->verifications);
	json_decref(vault->readers);
	free(vault->user_id);
	free(vault->device_id);
	free(vault);
	closed(arg);
}

void vault_job_ended(struct vault *vault)
{
	assert(vault->jobs > 0);
	vault->jobs--;
	vault_maybe_closed(vault);
}

void vault_close(struct vault *vault, void (*closed)(void *arg), void *arg)
{
	assert(!vault->closing);
	vault->closing = true;
	vault->closed = closed;
	vault->closed_arg = arg;
	calls_cancel(vault);
	recovery_cancel(vault);
	mark_cancel(vault);
	uv_close((uv_handle_t *)&vault->timer, vault_on_timer_closed);
}

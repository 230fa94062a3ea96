/*
 * mark.c - detects that the database was restored from a backup. At each start the vault compares
 * the mark that it stored in the account's data with the one in the database, and stores a new one;
 * see vault_internal.h.
 *
 * The new mark is stored in the database before it is sent to the homeserver, so that a crash in
 * between does no harm: either of the two marks in the database may be the homeserver's.
 *
 * Failures: it is retried, and the failure is shown as a problem. Where the homeserver refuses to
 * store a mark, or answers with errors for about a minute, the run continues as after a restored
 * backup: with new sessions for every device, which is safe in either case.
 */
#include <stdio.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/log.h"
#include "bot/crypto/prim.h"
#include "bot/matrix/backoff.h"
#include "bot/vault/vault_internal.h"
#include "storage/state.h"

#define TYPE "org.matrix-telemetry-bot.run"
#define REQUEST_TIMEOUT_MS 30000
#define TRIES_MAX 7 /* failed answers; they take about a minute */
#define REFUSED_AGAIN_MS CLOCK_HOUR_MS

struct mark {
	struct vault *vault;
	char *theirs, *fresh; /* the homeserver's, NULL = none; the new one */
};

static void mark_get(struct vault *vault);

static char *mark_path_of(const struct vault *vault)
{
	char *type = x_asprintf(TYPE ".%s", vault->device_id);
	char *path = mx_path("/v3/user/%s/account_data/%s", vault->user_id, type);

	free(type);
	return path;
}

/* ---- failures ---- */

static void mark_retry(struct vault *vault, int64_t server_ms, const char *why)
{
	vault->mark_tries++;
	vault->mark_ms =
	        clock_monotonic_ms() + backoff_ms(vault->mark_tries, server_ms, arc4random());
	if (!vault->core.marked)
		vault_problem_set(vault, VAULT_MARK,
		        "cannot tell whether the database is an old backup: %s", why);
	vault_arm(vault);
}

static enum err without_work(struct store *store, void *arg)
{
	struct vault *vault = arg;
	enum err err = crypto_went_back(vault->core.machine);

	vault->core.marked = vault->core.marked || err == OK;
	return err;
}

static void without_done(enum err result, const char *message, void *arg)
{
	struct vault *vault = arg;

	if (result != OK) {
		mark_retry(vault, -1, message);
	} else {
		vault->mark_ms = clock_monotonic_ms() + REFUSED_AGAIN_MS;
		vault_problem_clear(vault, VAULT_MARK);
		vault_arm(vault);
		if (!vault->closing)
			vault->events.on_change(vault->events.arg);
	}
	vault_job_ended(vault);
}

/* Handles a failed try, whose job has not ended yet. */
static void mark_failed(struct vault *vault, const struct mx_answer *answer)
{
	bool refused = answer->code == ERR_DENIED || answer->code == ERR_REJECTED ||
	               answer->code == ERR_NOT_FOUND || answer->code == ERR_TOO_LARGE;
	bool gives_up =
	        refused || (answer->status != 0 && answer->code != ERR_LIMITED &&
	                           answer->code != ERR_AUTH && vault->mark_tries + 1 >= TRIES_MAX);

	if (vault->closing) {
		vault_job_ended(vault);
	} else if (gives_up && !vault->core.marked) {
		snprintf(vault->mark_notice, sizeof(vault->mark_notice),
		        "the homeserver does not store the mark of this run (%.100s): every device "
		        "gets new sessions at each start",
		        answer->error);
		log_warning("vault", "%s", vault->mark_notice);
		vault->status_due = true; /* so that status shows it */
		writer_submit(vault->writer, without_work, without_done, vault);
	} else if (gives_up) {
		vault->mark_ms = clock_monotonic_ms() + REFUSED_AGAIN_MS;
		vault_arm(vault);
		vault_job_ended(vault);
	} else {
		mark_retry(vault, answer->retry_after_ms, answer->error);
		vault_job_ended(vault);
	}
}

/* ---- storing the new mark ---- */

static void mark_free(struct mark *mark)
{
	free(mark->theirs);
	free(mark->fresh);
	free(mark);
}

static enum err keep_work(struct store *store, void *arg)
{
	struct mark *mark = arg;
	enum err err = state_set(store, "vault.mark", mark->fresh);

	mark->vault->core.marked = err == OK;
	return err;
}

static void keep_done(enum err result, const char *message, void *arg)
{
	struct mark *mark = arg;
	struct vault *vault = mark->vault;

	if (result != OK) {
		log_error("vault", "cannot store the mark of this run, retrying: %s", message);
		mark_retry(vault, -1, message);
	} else {
		vault->mark_tries = 0;
		vault->status_due = vault->status_due || vault->mark_notice[0];
		vault->mark_notice[0] = '\0';
		vault_problem_clear(vault, VAULT_MARK);
		if (!vault->closing)
			vault->events.on_change(vault->events.arg);
	}
	mark_free(mark);
	vault_pump(vault);
	vault_job_ended(vault);
}

static void mark_on_put(const struct mx_answer *answer, void *arg)
{
	struct mark *mark = arg;
	struct vault *vault = mark->vault;

	vault->mark_call = NULL;
	if (answer->code == OK && !vault->closing) {
		vault->mark_ms = INT64_MAX;
		writer_submit(vault->writer, keep_work, keep_done, mark);
		return;
	}
	mark_free(mark);
	mark_failed(vault, answer);
}

static void mark_put(struct mark *mark)
{
	struct vault *vault = mark->vault;
	json_t *body = json_pack("{s:s}", "run", mark->fresh);
	char *path = mark_path_of(vault);

	vault->mark_call =
	        mx_start(vault->mx, "PUT", path, body, REQUEST_TIMEOUT_MS, mark_on_put, mark);
	json_decref(body);
	free(path);
}

/* ---- comparing ---- */

static enum err mark_is_known(struct store *store, const char *name, const char *text, bool *known)
{
	char *value = NULL;
	enum err err = state_get(store, name, &value);

	*known = *known || (err == OK && strcmp(value, text) == 0);
	free(value);
	return err == ERR_NOT_FOUND ? OK : err;
}

static enum err compare_work(struct store *store, void *arg)
{
	struct mark *mark = arg;
	bool known = !mark->theirs;
	enum err err = OK;

	if (!known)
		err = mark_is_known(store, "vault.mark", mark->theirs, &known);
	if (err == OK && !known)
		err = mark_is_known(store, "vault.mark_next", mark->theirs, &known);
	if (err == OK && !known) {
		log_warning("vault", "the database is older than what was sent from it (a restored "
		                     "backup?): every device gets new sessions");
		err = crypto_went_back(mark->vault->core.machine);
	}
	return err == OK ? state_set(store, "vault.mark_next", mark->fresh) : err;
}

static void compare_done(enum err result, const char *message, void *arg)
{
	struct mark *mark = arg;
	struct vault *vault = mark->vault;
	if (result == OK && vault->mx && !vault->closing) {
		mark_put(mark);
		return;
	}
	if (result != OK) {
		log_error("vault",
		        "cannot compare the marks of this run and earlier ones, retrying: %s",
		        message);
		mark_retry(vault, -1, message);
	} else {
		vault->mark_ms = 0; /* offline: retried with the next token */
	}
	mark_free(mark);
	vault_job_ended(vault);
}

static void mark_on_got(const struct mx_answer *answer, void *arg)
{
	struct vault *vault = arg;
	const char *run = json_string_value(json_object_get(answer->body, "run"));
	struct mark *mark;
	uint8_t bytes[16];

	vault->mark_call = NULL;
	if (vault->closing || (answer->code != OK && answer->code != ERR_NOT_FOUND)) {
		mark_failed(vault, answer);
		return;
	}
	mark = x_calloc(1, sizeof(*mark));
	mark->vault = vault;
	mark->theirs = answer->code == OK ? x_strdup_opt(run) : NULL;
	prim_random(bytes, sizeof(bytes));
	mark->fresh = prim_base64(bytes, sizeof(bytes), false);
	writer_submit(vault->writer, compare_work, compare_done, mark);
}

static void mark_get(struct vault *vault)
{
	char *path = mark_path_of(vault);

	vault->jobs++; /* until the new mark is stored, or the try has failed */
	vault->mark_ms = INT64_MAX;
	vault->mark_call =
	        mx_start(vault->mx, "GET", path, NULL, REQUEST_TIMEOUT_MS, mark_on_got, vault);
	free(path);
}

void mark_due(struct vault *vault, int64_t now_ms)
{
	if (vault->open && vault->mx && !vault->closing && vault->mark_ms <= now_ms)
		mark_get(vault);
}

void mark_cancel(struct vault *vault)
{
	if (vault->mark_call)
		mx_cancel(vault->mark_call);
}

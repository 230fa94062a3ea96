/*
 * duty.c - see duty.h.
 */
#include <assert.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/log.h"
#include "bot/schedule/duty.h"
#include "bot/schedule/next_time.h"
#include "handlers/oncall/ack.h"
#include "handlers/oncall/resolve.h"
#include "handlers/heartbeats/app_heartbeat.h"
#include "handlers/alerts/expire.h"
#include "handlers/alerts/undelivered_look.h"
#include "handlers/oncall/escalate.h"
#include "handlers/oncall/handover.h"
#include "handlers/heartbeats/heartbeat.h"
#include "handlers/silences/held.h"
#include "handlers/silences/quiet.h"
#include "handlers/silences/silence.h"

#define FIRST_MS CLOCK_SECOND_MS
#define EVERY_MS (5 * CLOCK_SECOND_MS)
#define LEAST_MS 10 /* between two checks */

struct duty {
	struct duty_env env;
	struct config *config;
	uv_timer_t timer;
	struct heartbeat_memory memory;
	struct undelivered_memory undelivered;
	int64_t failing_since_ms; /* monotonic; 0 = the last heartbeat job succeeded */
	bool failure_told;
	unsigned jobs; /* writer jobs not done */
	bool looking;  /* the heartbeat job is in progress */
	bool closing, timer_closed;
	struct config *tidy_config; /* referenced, for the tidy job; NULL = not running */
	json_t *tidy_happened;      /* array, filled by that job */
	int64_t tidy_started_ms;    /* time of the start, 0 once the first job succeeded */
	int64_t tidy_next_ms;       /* see next_time.h; filled in by that job */
	/* for the heartbeat job */
	struct config *job_config;       /* referenced */
	struct report_status job_status; /* a copy */
	struct heartbeat_result job_result;
	struct undelivered_memory job_undelivered;
	char *job_tell; /* text on undelivered messages, or NULL */
	void (*closed)(void *arg);
	void *closed_arg;
};

static void duty_maybe_closed(struct duty *duty)
{
	void (*closed)(void *arg) = duty->closed;
	void *arg = duty->closed_arg;

	if (!duty->timer_closed || duty->jobs > 0)
		return;
	config_unref(duty->config);
	free(duty);
	closed(arg);
}

/* Call last in every done(). */
static void job_done(struct duty *duty)
{
	duty->jobs--;
	if (duty->closing)
		duty_maybe_closed(duty);
}

/* --- silences and acknowledgements -------------------------------------------------------- */

/* Ends the savepoint of one thing of several. What damaged rows make impossible is undone and told,
 * and the others go on. */
static enum err duty_settle(const struct deliver *d, size_t happened, enum err result)
{
	bool undone;
	enum err err = store_settle(d->store, result, &undone);

	if (err != OK || !undone)
		return err;
	while (json_array_size(d->happened) > happened)
		json_array_remove(d->happened, happened);
	log_seldom(LOG_ERROR, "duty", store_message(d->store), "left undone: %s",
	        store_message(d->store));
	return OK;
}

static enum err tidy_work(struct store *store, void *arg)
{
	static enum err (*const steps[])(const struct deliver *d) = {silence_end_due, quiet_end_due,
	        held_release, ack_end_due, resolve_due, escalate_duty};
	struct duty *duty = arg;
	struct deliver d = {.store = store,
	        .config = duty->tidy_config,
	        .now_ms = clock_now_ms(),
	        .happened = duty->tidy_happened};
	enum err err = store_savepoint(store);

	if (err == OK)
		err = duty_settle(&d, 0, expire_due(&d, duty->tidy_started_ms));
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && err == OK; i++) {
		size_t happened = json_array_size(d.happened);

		err = store_savepoint(store);
		if (err == OK)
			err = duty_settle(&d, happened, steps[i](&d));
	}
	return err == OK ? next_time(&d, d.now_ms + EVERY_MS, &duty->tidy_next_ms) : err;
}

static void duty_on_timer(uv_timer_t *timer);

/* What people expect by the clock does not wait for the next regular check. */
static void duty_arm(struct duty *duty)
{
	int64_t wait_ms = duty->tidy_next_ms - clock_now_ms();

	if (duty->closing || duty->tidy_next_ms == INT64_MAX || wait_ms > EVERY_MS)
		return;
	if (wait_ms < LEAST_MS)
		wait_ms = LEAST_MS;
	uv_timer_start(&duty->timer, duty_on_timer, (uint64_t)wait_ms, EVERY_MS);
}

static void tidy_done(enum err result, const char *message, void *arg)
{
	struct duty *duty = arg;
	config_unref(duty->tidy_config);
	duty->tidy_config = NULL;
	if (result != OK)
		log_seldom(LOG_ERROR, "duty", "",
		        "could not process reminders and silences, retrying: %s", message);
	if (result == OK)
		duty->tidy_started_ms = 0;
	if (result == OK) {
		happened_tell(duty->tidy_happened, duty->env.on_happened, duty->env.arg);
		duty_arm(duty);
	}
	json_decref(duty->tidy_happened);
	job_done(duty);
}

static void duty_tidy(struct duty *duty)
{
	if (duty->tidy_config)
		return;
	duty->tidy_config = config_ref(duty->config);
	duty->tidy_happened = json_array();
	duty->jobs++;
	writer_submit(duty->env.writer, tidy_work, tidy_done, duty);
}

/* --- heartbeats: a separate job, so that no other failure can prevent them ----------------- */

static enum err duty_look_work(struct store *store, void *arg)
{
	struct duty *duty = arg;
	struct deliver d = {.store = store, .config = duty->job_config, .now_ms = clock_now_ms()};
	struct heartbeat_result *result = &duty->job_result;
	enum err err = heartbeat_look(&d, &duty->job_status, &duty->memory, result);

	d.happened = result->happened;
	if (err == OK)
		err = handover_look(&d, &duty->job_status);
	if (err == OK)
		err = undelivered_look(
		        &d, &duty->job_status, &duty->job_undelivered, &duty->job_tell);
	return err == OK ? app_heartbeat_look(&d, result->leapt, result->happened) : err;
}

static void duty_look(struct duty *duty);

/* A heartbeat that cannot be stored is reported as missing, too. */
static void duty_failed(struct duty *duty, const char *message)
{
	int64_t now_ms = clock_monotonic_ms();
	char *text;

	log_seldom(LOG_ERROR, "duty", "", "could not process heartbeats, retrying: %s", message);
	if (!duty->failing_since_ms)
		duty->failing_since_ms = now_ms;
	if (duty->failure_told ||
	        now_ms - duty->failing_since_ms < duty->config->heartbeat.grace_ms)
		return;
	duty->failure_told = true;
	text = x_asprintf(
	        "🚨 %s cannot work: its database fails: %s", duty->config->matrix.user, message);
	meta_raise(duty->env.meta, text);
	free(text);
}

static void duty_succeeded(struct duty *duty)
{
	const struct heartbeat_result *result = &duty->job_result;
	duty->failing_since_ms = 0;
	duty->failure_told = false;
	duty->memory = result->memory;
	duty->undelivered = duty->job_undelivered;
	if (duty->job_tell)
		meta_raise(duty->env.meta, duty->job_tell);
	if (result->tell)
		meta_raise(duty->env.meta, result->tell);
	if (result->ping)
		meta_ping(duty->env.meta);
	happened_tell(result->happened, duty->env.on_happened, duty->env.arg);
}

static void duty_look_done(enum err result, const char *message, void *arg)
{
	struct duty *duty = arg;
	bool again = false;

	duty->looking = false;
	if (result == OK) {
		duty_succeeded(duty);
		/* run again at once, to store that it was reported, so that a restart does not
		 * repeat it */
		again = duty->job_result.tell || duty->job_result.ping || duty->job_tell;
	} else {
		duty_failed(duty, message);
	}
	free(duty->job_tell);
	duty->job_tell = NULL;
	heartbeat_result_finish(&duty->job_result);
	json_decref(duty->job_result.happened);
	report_status_finish(&duty->job_status);
	config_unref(duty->job_config);
	if (again) {
		duty_look(duty);
		courier_poke(duty->env.courier);
	}
	job_done(duty);
}

static void duty_look(struct duty *duty)
{
	struct report_status status = {
	        .now_ms = clock_now_ms(), .version = BOT_VERSION, .problem = ""};

	if (duty->looking)
		return;
	duty->looking = true;
	duty->job_config = config_ref(duty->config);
	duty->env.on_status(&status, duty->env.arg);
	report_status_take(&status, &duty->job_status);
	duty->job_result = (struct heartbeat_result){.happened = json_array()};
	duty->job_undelivered = duty->undelivered;
	duty->jobs++;
	writer_submit(duty->env.writer, duty_look_work, duty_look_done, duty);
}

static void duty_on_timer(uv_timer_t *timer)
{
	struct duty *duty = timer->data;

	duty_look(duty);
	duty_tidy(duty);
	/* what they put into the queue is chosen in the same commit */
	courier_poke(duty->env.courier);
}

/* --- creation and closing ----------------------------------------------------------------- */

struct duty *duty_create(const struct duty_env *env, struct config *config)
{
	struct duty *duty = x_calloc(1, sizeof(*duty));

	duty->env = *env;
	duty->config = config_ref(config);
	duty->tidy_started_ms = clock_now_ms();
	uv_timer_init(env->loop, &duty->timer);
	duty->timer.data = duty;
	uv_timer_start(&duty->timer, duty_on_timer, FIRST_MS, EVERY_MS);
	return duty;
}

void duty_configure(struct duty *duty, struct config *config)
{
	config_replace(&duty->config, config);
	/* a schedule may have changed */
	uv_timer_start(&duty->timer, duty_on_timer, 0, EVERY_MS);
}

static void duty_on_timer_closed(uv_handle_t *handle)
{
	struct duty *duty = handle->data;

	duty->timer_closed = true;
	duty_maybe_closed(duty);
}

void duty_close(struct duty *duty, void (*closed)(void *arg), void *arg)
{
	assert(!duty->closing);
	duty->closing = true;
	duty->closed = closed;
	duty->closed_arg = arg;
	uv_close((uv_handle_t *)&duty->timer, duty_on_timer_closed);
}

/*
 * duty.c - see duty.h.
 */
#include <assert.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/log.h"
#include "bot/duty.h"
#include "handlers/ack.h"
#include "handlers/escalate.h"
#include "handlers/quiet.h"
#include "handlers/silence.h"

#define EVERY_MS (5 * CLOCK_SECOND_MS)

struct duty {
	struct writer *writer;
	struct courier *courier;
	struct config *config;
	uv_timer_t timer;
	bool in_job, closing, timer_closed;
	struct config *job_config; /* referenced for the job */
	json_t *happened;          /* array, filled by the job */
	duty_happened_fn on_happened;
	void *arg;
	void (*closed)(void *arg);
	void *closed_arg;
};

static void maybe_closed(struct duty *duty)
{
	void (*closed)(void *arg) = duty->closed;
	void *arg = duty->closed_arg;

	if (!duty->timer_closed || duty->in_job)
		return;
	config_unref(duty->config);
	free(duty);
	closed(arg);
}

static enum err duty_work(struct store *store, void *arg)
{
	struct duty *duty = arg;
	struct deliver d = {.store = store,
	        .config = duty->job_config,
	        .now_ms = clock_now_ms(),
	        .happened = duty->happened};
	enum err err = silence_end_due(&d);

	if (err == OK)
		err = quiet_end_due(&d);
	if (err == OK)
		err = ack_end_due(&d);
	return err == OK ? escalate_duty(&d) : err;
}

static void duty_done(enum err result, const char *message, void *arg)
{
	struct duty *duty = arg;
	json_t *event;
	size_t i;

	duty->in_job = false;
	config_unref(duty->job_config);
	if (result != OK) {
		log_error("duty", "reminders and silences could not be looked at: %s", message);
	} else if (!duty->closing) {
		json_array_foreach(duty->happened, i, event)
		{
			duty->on_happened(json_incref(event), duty->arg);
		}
	}
	json_decref(duty->happened);
	if (duty->closing)
		maybe_closed(duty);
	else
		courier_poke(duty->courier);
}

static void on_timer(uv_timer_t *timer)
{
	struct duty *duty = timer->data;

	if (duty->in_job)
		return;
	duty->in_job = true;
	duty->job_config = config_ref(duty->config);
	duty->happened = json_array();
	writer_submit(duty->writer, duty_work, duty_done, duty);
}

struct duty *duty_create(uv_loop_t *loop, struct writer *writer, struct courier *courier,
        struct config *config, duty_happened_fn happened, void *arg)
{
	struct duty *duty = x_calloc(1, sizeof(*duty));

	duty->writer = writer;
	duty->courier = courier;
	duty->config = config_ref(config);
	duty->on_happened = happened;
	duty->arg = arg;
	uv_timer_init(loop, &duty->timer);
	duty->timer.data = duty;
	uv_timer_start(&duty->timer, on_timer, EVERY_MS, EVERY_MS);
	return duty;
}

void duty_configure(struct duty *duty, struct config *config)
{
	config_ref(config);
	config_unref(duty->config);
	duty->config = config;
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct duty *duty = handle->data;

	duty->timer_closed = true;
	maybe_closed(duty);
}

void duty_close(struct duty *duty, void (*closed)(void *arg), void *arg)
{
	assert(!duty->closing);
	duty->closing = true;
	duty->closed = closed;
	duty->closed_arg = arg;
	uv_close((uv_handle_t *)&duty->timer, on_timer_closed);
}

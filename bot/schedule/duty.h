/*
 * duty.h - handles what becomes due by time: silences and acknowledgements that expire, reminders
 * and escalations of unacknowledged alerts, heartbeats. Checks every few seconds by the wall clock,
 * in writer jobs, so that a clock change or a suspended machine is noticed soon; after a reload;
 * and at the times of next_time.h.
 *
 * A check reads by indexes what is due, however much fires, is stored, silenced or acknowledged;
 * and each time all events that wait or are undeliverable, and all inhibited alerts.
 */
#pragma once

#include <jansson.h>
#include <uv.h>
#include "bot/config/config.h"
#include "bot/delivery/courier.h"
#include "bot/meta/meta.h"
#include "bot/loop/happened.h"
#include "bot/loop/writer.h"
#include "handlers/commands/report.h"

struct duty;

/* All borrowed. */
struct duty_env {
	uv_loop_t *loop;
	struct writer *writer;
	struct courier *courier;
	struct meta *meta;
	/* Fills in what the loop knows, as for `status`; rooms is an array that the caller
	 * frees. */
	void (*on_status)(struct report_status *status, void *arg);
	/* Something happened that subscribers are notified of; takes the reference. */
	happened_fn on_happened;
	void *arg;
};

/* The config is referenced. */
struct duty *duty_create(const struct duty_env *env, struct config *config);
void duty_configure(struct duty *duty, struct config *config);
/* Everything it borrows must still be open. Calls closed(arg) once and frees. */
void duty_close(struct duty *duty, void (*closed)(void *arg), void *arg);

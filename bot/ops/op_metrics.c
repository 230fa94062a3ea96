/*
 * op_metrics.c - op "metrics": counters, as data.
 */
#include <stdlib.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/ops/ops_internal.h"
#include "handlers/commands/health.h"
#include "handlers/commands/status.h"
#include "storage/messages.h"
#include "storage/undecrypted.h"

#define FIRING_MS (30 * CLOCK_DAY_MS) /* as op "firing" */

struct op_metrics {
	struct ops_read read;
	struct config *config;       /* referenced */
	struct report_status status; /* a copy, with storage's part */
	int64_t undecrypted;
	struct firing_count firing[OP_COUNTS_APPS_MAX];
	size_t firing_len;
};

static enum err metrics_work(struct store *store, void *arg)
{
	struct op_metrics *op = arg;

	enum err err = status_load(store, op->config, &op->status);

	if (err == OK)
		err = undecrypted_count(store, &op->undecrypted);
	op->firing_len = OP_COUNTS_APPS_MAX;
	return err == OK ? entries_count_firing(
	                           store, clock_now_ms() - FIRING_MS, op->firing, &op->firing_len)
	                 : err;
}

/* Counts the problems by cause. */
static json_t *problems_json(const struct report_status *status)
{
	json_t *problems = health_problems(status, ""), *counts = json_object(), *problem;
	size_t i;

	json_array_foreach(problems, i, problem)
	{
		const char *cause = json_string_value(json_object_get(problem, "cause"));
		json_int_t before = json_integer_value(json_object_get(counts, cause));

		json_object_set_new(counts, cause, json_integer(before + 1));
	}
	json_decref(problems);
	return counts;
}

static json_t *metrics_json(const struct report_status *status)
{
	size_t firing = 0, failing = 0;
	json_t *json;

	for (size_t i = 0; i < status->watches_len; i++) {
		firing += status->watches[i].firing;
		failing += status->watches[i].problem[0] != '\0';
	}
	json = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, "
	                 "s:I, s:b}",
	        "uptime_ms", (json_int_t)(status->now_ms - status->started_ms), "events_sent",
	        (json_int_t)status->sent, "sends_retried", (json_int_t)status->retried,
	        "outbox_waiting", (json_int_t)status->waiting, "outbox_undeliverable",
	        (json_int_t)status->undeliverable, "alerts_24h",
	        (json_int_t)(status->counts[0] + status->counts[1] + status->counts[2]),
	        "alerts_unacked", (json_int_t)status->open_len, "silences",
	        (json_int_t)status->silences, "app_heartbeats", (json_int_t)status->beats,
	        "app_heartbeats_missed", (json_int_t)status->beats_missed, "watches",
	        (json_int_t)status->watches_len, "watches_firing", (json_int_t)firing,
	        "watches_failing", (json_int_t)failing, "latency_p95_ms",
	        (json_int_t)status->p95_ms, "clients", (json_int_t)status->clients, "online",
	        !status->problem[0]);
	json_object_set_new(json, "alerts_24h_by_severity",
	        json_pack("{s:I, s:I, s:I}", "critical",
	                (json_int_t)status->counts[SEVERITY_CRITICAL], "warning",
	                (json_int_t)status->counts[SEVERITY_WARNING], "info",
	                (json_int_t)status->counts[SEVERITY_INFO]));
	json_object_set_new(json, "oldest_age_ms",
	        json_integer(status->waiting && status->oldest_ms
	                             ? status->now_ms - status->oldest_ms
	                             : 0));
	if (status->last_sync_ms)
		json_object_set_new(json, "last_sync_age_ms",
		        json_integer(status->now_ms - status->last_sync_ms));
	json_object_set_new(json, "problems", problems_json(status));
	json_object_set_new(json, "spool_bad", json_integer(status->spool_bad));
	return json;
}

/* Adds the courier's counters. */
static void metrics_add_sends(json_t *json, const struct courier_counters *counters)
{
	json_t *results = json_object();

	for (int i = 0; i < ERR_COUNT; i++)
		if (i == OK || counters->results[i] > 0)
			json_object_set_new(results, i == OK ? "ok" : err_name((enum err)i),
			        json_integer((json_int_t)counters->results[i]));
	json_object_set_new(json, "sends", results);
	json_object_set_new(json, "delivery", op_counts_histogram_json(&counters->delivery));
	json_object_set_new(
	        json, "events_encrypted", json_integer((json_int_t)counters->encrypted));
	json_object_set_new(
	        json, "rate_limit_waits_ms", json_integer((json_int_t)counters->limited_ms));
	json_object_set_new(
	        json, "rate_limited", json_integer((json_int_t)counters->results[ERR_LIMITED]));
}

static void metrics_add_encryption(json_t *json, const struct op_metrics *op)
{
	int64_t rooms = 0;

	for (size_t i = 0; i < op->status.rooms_len; i++)
		rooms += op->status.rooms[i].encrypted;
	json_object_set_new(json, "rooms_encrypted", json_integer(rooms));
	json_object_set_new(json, "undecrypted", json_integer(op->undecrypted));
	json_object_set_new(json, "encryption_refusals",
	        json_integer((json_int_t)json_array_size(op->status.notices)));
}

/* {"etl": {"critical": 2, …}, …} */
static json_t *metrics_firing_json(const struct op_metrics *op)
{
	json_t *apps = json_object(), *app;

	for (size_t i = 0; i < op->firing_len; i++) {
		app = json_object();
		for (int s = 0; s < SEVERITY_COUNT; s++)
			if (op->firing[i].firing[s] > 0)
				json_object_set_new(app, severity_name((enum severity)s),
				        json_integer((json_int_t)op->firing[i].firing[s]));
		json_object_set_new(apps, op->firing[i].app, app);
	}
	return apps;
}

static json_t *metrics_all_json(const struct op_metrics *op)
{
	const struct courier_counters counters = courier_counters(op->read.ops->env.courier);
	json_t *json = metrics_json(&op->status);

	metrics_add_sends(json, &counters);
	metrics_add_encryption(json, op);
	json_object_set_new(json, "firing_by_app", metrics_firing_json(op));
	op_counts_json(&op->read.ops->counts, json);
	return json;
}

static void metrics_done(enum err result, const char *message, void *arg)
{
	struct op_metrics *op = arg;

	if (result != OK)
		ops_reply_failure(op->read.reply, result, message);
	else
		reply_ok(op->read.reply, metrics_all_json(op));
	for (size_t i = 0; i < op->firing_len; i++)
		free(op->firing[i].app);
	status_unload(&op->status);
	report_status_finish(&op->status);
	config_unref(op->config);
	free(op);
}

void op_metrics(
        struct ops *ops, const json_t *request, const struct alert_peer *peer, struct reply *reply)
{
	struct report_status status = {
	        .now_ms = clock_now_ms(), .version = BOT_VERSION, .problem = ""};
	struct op_metrics *op = x_calloc(1, sizeof(*op));

	/* read now, since the job adds storage's part for the current rooms */
	ops->env.on_status(&status, ops->env.arg);
	report_status_take(&status, &op->status);
	op->config = config_ref(ops->config);
	op->read = (struct ops_read){
	        .reply = reply, .work = metrics_work, .done = metrics_done, .arg = op};
	ops_read(ops, &op->read);
}

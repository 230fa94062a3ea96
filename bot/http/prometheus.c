/*
 * prometheus.c - the endpoints that Alertmanager (webhook version 4), Grafana (the same) and
 * Prometheus (its Alertmanager's API) post alerts to. alertmanager.h describes the conversion.
 */
#include <string.h>
#include "bot/base/clock.h"
#include "bot/base/log.h"
#include "bot/base/request.h"
#include "bot/http/alertmanager.h"
#include "bot/http/web_internal.h"

/* Adds the alerts of a request; an invalid one is rejected without the others. group: the webhook;
 * NULL: posted as to an Alertmanager. */
static void prometheus_add(
        struct web_call *call, const json_t *alerts, const json_t *group, json_t *notes)
{
	const struct config_labels *names = &call->config->labels;
	int64_t now_ms = clock_now_ms();
	const json_t *alert;
	json_t *request;
	size_t i;

	if (!call_batch_fits(call, json_array_size(alerts)))
		return;
	json_array_foreach(alerts, i, alert)
	{
		if (!json_is_object(json_object_get(alert, "labels"))) {
			call_refuse_element(call, "labels", "an alert must have labels");
			continue;
		}
		request =
		        group ? alertmanager_webhook(names, alert, group, call->endpoint->path + 1)
		              : alertmanager_posted(names, alert, now_ms);
		if (json_array_size(notes) > 0)
			json_array_extend(request_notes(request), notes);
		json_array_clear(notes); /* in one answer, not in each */
		request_fit(request);
		call_request(call, request);
	}
}

/* What the sender left out of a webhook nobody hears of, unless it is said here. */
static void prometheus_note_truncated(const struct web_call *call, const json_t *body)
{
	json_int_t left_out = json_integer_value(json_object_get(body, "truncatedAlerts"));

	if (left_out > 0)
		log_seldom(LOG_WARNING, "http", call->endpoint->path,
		        "%s: the sender left out %lld alerts: set its max_alerts to 0",
		        call->endpoint->path, (long long)left_out);
}

/* POST /alertmanager, /grafana */
void alertmanager_run(struct web_call *call)
{
	json_t *notes = json_array(), *body = call_read_json(call, notes);
	const json_t *alerts = json_object_get(body, "alerts");

	prometheus_note_truncated(call, body);
	if (json_is_array(alerts))
		prometheus_add(call, alerts, body, notes);
	else if (!call->ready)
		call_error(call, MHD_HTTP_BAD_REQUEST,
		        "alerts is missing: expected an Alertmanager webhook of version 4");
	json_decref(body);
	json_decref(notes);
}

/* POST /api/v2/alerts */
void api_alerts_run(struct web_call *call)
{
	json_t *notes = json_array(), *body = call_read_json(call, notes);

	if (json_is_array(body))
		prometheus_add(call, body, NULL, notes);
	else if (!call->ready)
		call_error(call, MHD_HTTP_BAD_REQUEST, "expected an array of alerts");
	json_decref(body);
	json_decref(notes);
}

/* Answers as Alertmanager does: an empty body on success; otherwise the rejected alerts are
 * listed. */
void api_finish(struct web_call *call)
{
	unsigned worst = call_worst(call);
	json_t *answer;
	size_t i;

	call_text(call, worst, "application/json", "");
	if (worst != MHD_HTTP_OK && call_taken(call) > 0) {
		call_finish_batch(call);
		return;
	}
	json_array_foreach(call->answers, i, answer)
	{
		if (worst != MHD_HTTP_OK && call_status_of(answer) == worst)
			call_error(call, worst, "%s",
			        json_string_value(json_object_get(answer, "message")));
	}
}

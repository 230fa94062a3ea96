/*
 * prometheus.c - the endpoints that Alertmanager (webhook version 4) and Prometheus (its
 * Alertmanager's API) post alerts to.
 *
 * Prometheus posts what fires again and again, and with endsAt in the future: an alert that does
 * not come again by then is over, which nobody else says. Alertmanager's webhook says it itself.
 */
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/request.h"
#include "bot/http/alertmanager.h"
#include "bot/http/web_internal.h"

/* Hands it in; false, with the answer made, when it is no alert. */
static bool add_one(struct web_call *call, const json_t *alert, const json_t *group, bool resolved,
        json_t *notes)
{
	json_t *request;

	if (!json_is_object(json_object_get(alert, "labels"))) {
		call_error(call, MHD_HTTP_BAD_REQUEST, "an alert without labels");
		return false;
	}
	if (json_array_size(call->requests) >= WEB_BATCH_MAX) {
		call_error(call, MHD_HTTP_CONTENT_TOO_LARGE, "at most %d alerts", WEB_BATCH_MAX);
		return false;
	}
	request = alertmanager_request(alert, group, resolved);
	if (json_array_size(notes) > 0)
		json_array_extend(request_notes(request), notes);
	request_fit(request);
	call_request(call, request);
	return true;
}

void alertmanager_run(struct web_call *call)
{
	json_t *notes = json_array(), *body = call_read_json(call, notes), *alert;
	json_t *alerts = json_object_get(body, "alerts");
	const char *status;
	bool good = true;
	size_t i;

	if (!call->ready && !json_is_array(alerts))
		call_error(call, MHD_HTTP_BAD_REQUEST,
		        "no alerts: a webhook of version 4 is expected");
	json_array_foreach(alerts, i, alert)
	{
		status = json_string_value(json_object_get(alert, "status"));
		good = good && add_one(call, alert, body, status && strcmp(status, "resolved") == 0,
		                       i == 0 ? notes : NULL);
	}
	json_decref(body);
	json_decref(notes);
}

/* When it is over: what it says, if it says it; else if it comes no more. */
static int64_t ends_of(const json_t *alert, int64_t now_ms)
{
	const char *text = json_string_value(json_object_get(alert, "endsAt"));
	int64_t ends_ms = 0;

	if (!text || !clock_parse_rfc3339(text, &ends_ms) || ends_ms <= 0)
		return now_ms + ALERTMANAGER_RESOLVE_MS;
	return ends_ms;
}

/* POST /api/v2/alerts */
void api_alerts_run(struct web_call *call)
{
	json_t *notes = json_array(), *body = call_read_json(call, notes), *alert;
	int64_t now_ms = clock_now_ms(), ends_ms;
	char fingerprint[17];
	json_t *over;
	size_t i;

	if (!call->ready && !json_is_array(body))
		call_error(call, MHD_HTTP_BAD_REQUEST, "an array of alerts is expected");
	json_array_foreach(body, i, alert)
	{
		if (call->ready)
			break;
		ends_ms = ends_of(alert, now_ms);
		if (!add_one(call, alert, NULL, ends_ms <= now_ms, i == 0 ? notes : NULL))
			break;
		alertmanager_fingerprint(json_object_get(alert, "labels"), fingerprint);
		over = ends_ms > now_ms ? alertmanager_request(alert, NULL, true) : NULL;
		web_expire(call->web, fingerprint, ends_ms, over);
		json_decref(over);
	}
	json_decref(body);
	json_decref(notes);
}

/* As Alertmanager: nothing, when all is well. */
void api_finish(struct web_call *call)
{
	unsigned worst = call_worst(call);

	json_t *answer;
	size_t i;

	call_text(call, worst, "application/json", "");
	json_array_foreach(call->answers, i, answer)
	{
		if (worst != MHD_HTTP_OK && call_status_of(answer) == worst)
			call_error(call, worst, "%s",
			        json_string_value(json_object_get(answer, "message")));
	}
}

/*
 * web_endpoints.c - the table of HTTP endpoints, and the short ones among them. Each makes requests
 * of the socket protocol from an HTTP request.
 */
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/json_mend.h"
#include "bot/base/request.h"
#include "bot/http/form_body.h"
#include "bot/http/web_internal.h"
#include "bot/http/webhook.h"

#define READY_MAX 1024

/* ---- reading ---- */

/* NULL: not JSON, or the answer is set. */
static json_t *call_parse(struct web_call *call, json_t *notes)
{
	const char *text = buf_str(&call->body);
	json_t *body;

	if (!call_weigh(call, text, call->body.len))
		return NULL;
	body = json_loadb(text, call->body.len, JSON_REJECT_DUPLICATES, NULL);
	if (!body)
		body = json_mend(text, call->body.len, REQUEST_DEPTH_MAX, notes);
	if (!body)
		call_weigh_nothing(call);
	return body;
}

json_t *call_read_json(struct web_call *call, json_t *notes)
{
	json_t *body = call_parse(call, notes);

	if (!body && !call->ready)
		call_error(call, MHD_HTTP_BAD_REQUEST, "the body is not JSON");
	return body;
}

/* Adds one alert as received; an invalid one gets an answer of its own. */
static void web_endpoints_add_alert(struct web_call *call, json_t *alert, json_t *notes)
{
	if (json_array_size(notes) > 0)
		json_array_extend(request_notes(alert), notes);
	json_object_set_new(alert, "op", json_string("alert"));
	request_fit(alert);
	call_request(call, json_incref(alert));
}

static void add_all(struct web_call *call, json_t *list, json_t *notes)
{
	json_t *element;
	size_t i;

	if (!call_batch_fits(call, json_array_size(list)))
		return;
	json_array_foreach(list, i, element)
	{
		if (json_is_object(element))
			web_endpoints_add_alert(call, element, i == 0 ? notes : NULL);
		else
			call_refuse_element(call, "", "an alert is a JSON object");
	}
}

/* Adds the alert of one line. */
static void web_endpoints_add_line(struct web_call *call, const char *line, size_t len)
{
	json_t *notes, *alert;

	if (!call_weigh(call, line, len))
		return;
	notes = json_array();
	alert = json_mend(line, len, REQUEST_DEPTH_MAX, notes);
	if (json_is_object(alert))
		web_endpoints_add_alert(call, alert, notes);
	else
		call_refuse_element(call, "", "an alert is a JSON object");
	json_decref(alert);
	json_decref(notes);
	call_batch_fits(call, json_array_size(call->requests));
}

static void add_lines(struct web_call *call)
{
	const char *line = buf_str(&call->body), *end = line + call->body.len;

	for (const char *next; line < end && !call->ready; line = next) {
		const char *stop = memchr(line, '\n', (size_t)(end - line));

		next = stop ? stop + 1 : end;
		stop = stop ? stop : end;
		if (strspn(line, " \t\r") < (size_t)(stop - line))
			web_endpoints_add_line(call, line, (size_t)(stop - line));
	}
}

/* POST /alerts: one, an array, or NDJSON. */
static void alerts_run(struct web_call *call)
{
	json_t *notes = json_array(), *body = call_parse(call, notes);

	if (json_is_object(body))
		web_endpoints_add_alert(call, body, notes);
	else if (json_is_array(body))
		add_all(call, body, notes);
	else if (!call->ready)
		add_lines(call);
	if (!call->ready && json_array_size(call->requests) == 0 && !json_is_array(body))
		call_error(call, MHD_HTTP_BAD_REQUEST,
		        "there is no alert: send a JSON object, an array, or one object per line");
	json_decref(body);
	json_decref(notes);
}

/* ---- answering ---- */

unsigned call_status_of(const json_t *answer)
{
	const char *error = json_string_value(json_object_get(answer, "error"));

	if (json_is_true(json_object_get(answer, "ok")))
		return MHD_HTTP_OK;
	if (json_is_true(json_object_get(answer, "retry")))
		return MHD_HTTP_SERVICE_UNAVAILABLE;
	if (error && (strcmp(error, "denied") == 0 || strcmp(error, "forbidden") == 0))
		return MHD_HTTP_FORBIDDEN;
	if (error && strcmp(error, "not_found") == 0)
		return MHD_HTTP_NOT_FOUND;
	return MHD_HTTP_BAD_REQUEST;
}

unsigned call_worst(const struct web_call *call)
{
	unsigned worst = MHD_HTTP_OK, status;
	json_t *answer;
	size_t i;

	json_array_foreach(call->answers, i, answer)
	{
		status = call_status_of(answer);
		worst = status > worst ? status : worst;
	}
	return worst;
}

void call_finish_op(struct web_call *call)
{
	if (json_array_size(call->answers) == 1)
		call_json(call, call_worst(call), json_incref(json_array_get(call->answers, 0)));
	else
		call_json(call, call_worst(call), json_incref(call->answers));
}

unsigned call_taken(const struct web_call *call)
{
	unsigned taken = 0;
	json_t *answer;
	size_t i;

	json_array_foreach(call->answers, i, answer)
	{
		taken += json_is_true(json_object_get(answer, "ok"));
	}
	return taken;
}

void call_finish_batch(struct web_call *call)
{
	call_finish_op(call);
	if (call_taken(call) > 0 && call->status != MHD_HTTP_SERVICE_UNAVAILABLE)
		call->status = MHD_HTTP_OK;
}

/* ---- health ---- */

static void healthz_run(struct web_call *call)
{
	call_text(call, MHD_HTTP_OK, "text/plain; charset=utf-8", "ok\n");
}

/* Ready means that an alert can be stored now. */
static void readyz_run(struct web_call *call)
{
	call_request(call, json_pack("{s:s}", "op", "metrics"));
}

/* Without a token it names the kinds of problems alone. */
static void readyz_finish(struct web_call *call)
{
	const json_t *answer = json_array_get(call->answers, 0);
	json_t *problems = json_object_get(answer, "problems"), *count;
	bool ok = json_is_true(json_object_get(answer, "ok")) &&
	          !json_object_get(problems, "storage");
	const char *cause, *before = "ready, but alerts may not be read: ";
	struct buf text;

	buf_init(&text, READY_MAX);
	json_object_foreach(problems, cause, count)
	{
		buf_printf(&text, "%s%s", before, cause);
		before = ", ";
	}
	buf_add_str(
	        &text, text.len > 0 ? " (`matrix-telemetry-bot status` says more)\n" : "ready\n");
	call_text(call, ok ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE,
	        "text/plain; charset=utf-8",
	        ok ? buf_str(&text) : "not ready: alerts cannot be stored\n");
	buf_finish(&text);
}

/* ---- webhooks ---- */

static void run_webhook(struct web_call *call, const char *name)
{
	const struct config_webhook *webhook = webhook_find(call->config, name);
	json_t *notes = json_array(), *body, *request;

	if (!webhook) {
		call_error(call, MHD_HTTP_NOT_FOUND, "the config has no [webhook] of that name");
		json_decref(notes);
		return;
	}
	form_body_unwrap(call);
	body = call_read_json(call, notes);
	if (body) {
		request = webhook_request(webhook, body);
		if (request)
			web_endpoints_add_alert(call, request, notes);
		else
			call_json(call, MHD_HTTP_OK,
			        json_pack("{s:b, s:s, s:s}", "ok", 1, "state", "ignored", "reason",
			                "its status is neither in firing nor in resolved"));
		json_decref(request);
	}
	json_decref(body);
	json_decref(notes);
}

/* POST /webhook/NAME */
static void webhook_run(struct web_call *call)
{
	run_webhook(call, call->rest);
}

/* POST /healthchecks, /uptime-kuma: built in, unless the config has webhooks of these names. */
static void built_in_run(struct web_call *call)
{
	run_webhook(call, call->endpoint->path + 1);
}

/* ---- the table ---- */

static const struct endpoint endpoints[] = {
        {"POST", "/alerts", TOKEN_SEND, alerts_run, call_finish_batch},
        {"GET", "/", TOKEN_READ, page_run, page_finish, .page = true},
        {"GET", "/page.css", 0, page_style_run, NULL},
        {"GET", "/page.js", 0, page_script_run, NULL},
        {"GET", "/events", TOKEN_READ, page_events_run, NULL, .page = true},
        {"POST", "/ack", TOKEN_COMMAND, page_ack_run, page_done, .page = true},
        {"POST", "/silence", TOKEN_COMMAND, page_silence_run, page_done, .page = true},
        {"POST", "/end", TOKEN_COMMAND, page_end_run, page_done, .page = true},
        {"GET", "/healthz", 0, healthz_run, NULL},
        {"GET", "/readyz", 0, readyz_run, readyz_finish},
        {"POST", "/heartbeat/", TOKEN_SEND, heartbeat_run, NULL},
        {"GET", "/heartbeat/", TOKEN_SEND, heartbeat_run, NULL},
        {"GET", "/metrics", TOKEN_READ, metrics_run, metrics_finish},
        {"POST", "/alertmanager", TOKEN_SEND, alertmanager_run, call_finish_batch},
        {"POST", "/grafana", TOKEN_SEND, alertmanager_run, call_finish_batch},
        {"PUT", "/grafana", TOKEN_SEND, alertmanager_run, call_finish_batch},
        {"POST", "/healthchecks", TOKEN_SEND, built_in_run, NULL},
        {"PUT", "/healthchecks", TOKEN_SEND, built_in_run, NULL},
        {"POST", "/uptime-kuma", TOKEN_SEND, built_in_run, NULL},
        {"POST", "/webhook/", TOKEN_SEND, webhook_run, NULL},
        {"PUT", "/webhook/", TOKEN_SEND, webhook_run, NULL},
        {"POST", "/api/v2/alerts", TOKEN_SEND, api_alerts_run, api_finish},
        {"GET", "/api/v2/alerts", TOKEN_READ, api_firing_run, api_firing_finish},
        {"GET", "/api/v2/alerts/groups", TOKEN_READ, api_firing_run, api_groups_finish},
        {"GET", "/api/v2/status", TOKEN_READ, api_status_run, NULL},
        {"GET", "/api/v2/receivers", TOKEN_READ, api_receivers_run, NULL},
        {"GET", "/api/v2/silences", TOKEN_READ, api_silences_run, api_silences_finish},
        {"POST", "/api/v2/silences", TOKEN_COMMAND, api_silence_run, api_silence_finish},
        {"GET", "/api/v2/silence/", TOKEN_READ, api_silences_run, api_one_silence_finish},
        {"DELETE", "/api/v2/silence/", TOKEN_COMMAND, api_unsilence_run, api_finish},
};

/* Whether an endpoint is what a path names. */
static bool endpoint_is(const struct endpoint *endpoint, const char *path)
{
	size_t len = strlen(endpoint->path);
	bool start = len > 1 && endpoint->path[len - 1] == '/';

	return start ? strncmp(endpoint->path, path, len) == 0 && path[len]
	             : strcmp(endpoint->path, path) == 0;
}

const struct endpoint *endpoint_find(const char *method, const char *path, struct buf *allow)
{
	const struct endpoint *found = NULL;

	if (strcmp(method, "HEAD") == 0)
		method = "GET";
	for (size_t i = 0; i < sizeof(endpoints) / sizeof(endpoints[0]) && !found; i++) {
		if (!endpoint_is(&endpoints[i], path))
			continue;
		buf_printf(allow, "%s%s%s", allow->len > 0 ? ", " : "", endpoints[i].method,
		        strcmp(endpoints[i].method, "GET") == 0 ? ", HEAD" : "");
		if (strcmp(endpoints[i].method, method) == 0)
			found = &endpoints[i];
	}
	if (found)
		buf_reset(allow);
	return found;
}

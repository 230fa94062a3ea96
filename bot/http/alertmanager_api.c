/*
 * alertmanager_api.c - the part of Alertmanager's API (version 2) that amtool and Grafana's data
 * source need: status, receivers, alerts, groups, silences.
 *
 * Alerts are shown with the labels alertname (what failed), app, kind, severity and the fields that
 * say what failed; the other fields, title, text and who acknowledged are annotations. So a silence
 * that a client makes of all labels holds the same failure when it happens again. A silence's id is
 * its number in the form of a UUID, since clients expect one.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/clock.h"
#include "bot/http/alertmanager.h"
#include "bot/http/api_filter.h"
#include "bot/http/web_internal.h"
#include "handlers/alerts/alert.h"

#define RECEIVER "matrix"
/* the least that clients of the API read as a config */
#define CONFIG "route:\n  receiver: " RECEIVER "\nreceivers:\n- name: " RECEIVER "\n"
#define UUID_PREFIX "00000000-0000-4000-8000-"
#define UUID_FORM UUID_PREFIX "%012" PRId64

static json_t *time_json(int64_t ms)
{
	char text[32];

	clock_format_rfc3339(ms, text, sizeof(text));
	return json_string(text);
}

static json_t *api_answer_of(struct web_call *call)
{
	return json_array_get(call->answers, 0);
}

/* True when the only answer is an error, which is then returned to the client. */
static bool call_failed(struct web_call *call)
{
	unsigned status = call_status_of(api_answer_of(call));
	const char *why = json_string_value(json_object_get(api_answer_of(call), "message"));

	if (status != MHD_HTTP_OK)
		call_error(call, status, "%s", why ? why : "");
	return status != MHD_HTTP_OK;
}

/* ---- status, receivers ---- */

void api_status_run(struct web_call *call)
{
	json_t *config = json_pack("{s:s}", "original", CONFIG);
	json_t *cluster = json_pack("{s:s, s:[], s:s}", "name", "", "peers", "status", "disabled");
	json_t *version = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "version", BOT_VERSION,
	        "branch", "", "buildDate", "", "buildUser", "", "goVersion", "", "revision", "");

	call_json(call, MHD_HTTP_OK,
	        json_pack("{s:o, s:o, s:o, s:o}", "cluster", cluster, "config", config, "uptime",
	                time_json(clock_now_ms()), "versionInfo", version));
}

void api_receivers_run(struct web_call *call)
{
	call_json(call, MHD_HTTP_OK, json_pack("[{s:s}]", "name", RECEIVER));
}

/* ---- alerts ---- */

void api_firing_run(struct web_call *call)
{
	call_request(call, json_pack("{s:s}", "op", "firing"));
}

/* Adds a label, or an annotation, unless there is one of that name. */
static void add_label(json_t *labels, const char *field, const json_t *value)
{
	char *label = matcher_label(field), *text;

	if (label && !json_object_get(labels, label)) {
		text = alert_scalar_text(value);
		json_object_set_new(labels, label, json_string(text));
		free(text);
	}
	free(label);
}

/* The ids of what silences an alert; for a quiet time its name. */
static json_t *silenced_by_json(const json_t *alert)
{
	json_t *ids = json_array();
	int64_t silence = json_integer_value(json_object_get(alert, "silence"));

	if (silence)
		json_array_append_new(ids, json_sprintf(UUID_FORM, silence));
	else if (json_object_get(alert, "quiet"))
		json_array_append(ids, json_object_get(alert, "quiet"));
	return ids;
}

/* Whether a field is a label, which says what failed. Of what came with labels (alertname is among
 * them) all fields are, except for annotations that everybody uses. */
static bool api_is_label(const struct config *config, const json_t *alert, const char *field)
{
	static const char *const said[] = {
	        "runbook_url", "silenceURL", "title", "text", "__dashboardUid__", "__panelId__"};
	const struct config_kind *kind =
	        config_kind(config, json_string_value(json_object_get(alert, "kind")));
	bool label = json_object_get(json_object_get(alert, "fields"), "alertname");

	for (size_t i = 0; i < sizeof(said) / sizeof(said[0]) && label; i++)
		label = strcmp(field, said[i]) != 0;
	for (char **name = kind ? kind->identity : NULL; name && *name && !label; name++)
		label = strcmp(field, *name) == 0 && strcmp(field, "title") != 0;
	return label;
}

static json_t *alert_json(const struct config *config, json_t *alert)
{
	static const char *const own[] = {"app", "kind", "severity"};
	json_t *labels = json_object(), *annotations = json_object(), *value, *known;
	json_t *fields = json_object_get(alert, "fields"), *result;
	json_t *silenced_by = silenced_by_json(alert);
	const char *name, *url = json_string_value(json_object_get(alert, "url"));
	char fingerprint[17];

	known = json_object_get(fields, "alertname");
	add_label(labels, "alertname", known ? known : json_object_get(alert, "identity"));
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		add_label(labels, own[i], json_object_get(alert, own[i]));
	if (json_object_get(fields, "title"))
		add_label(annotations, "summary", json_object_get(fields, "title"));
	if (json_object_get(fields, "text"))
		add_label(annotations, "description", json_object_get(fields, "text"));
	if (json_is_string(json_object_get(alert, "acked_by")))
		add_label(annotations, "acknowledged_by", json_object_get(alert, "acked_by"));
	json_object_foreach(fields, name, value)
	{
		if (api_is_label(config, alert, name))
			add_label(labels, name, value);
		else if (strcmp(name, "title") != 0 && strcmp(name, "text") != 0)
			add_label(annotations, name, value);
	}
	alertmanager_fingerprint(labels, fingerprint);
	result = json_pack("{s:o, s:o, s:[{s:s}], s:s, s:{s:s, s:o, s:[]}}", "labels", labels,
	        "annotations", annotations, "receivers", "name", RECEIVER, "fingerprint",
	        fingerprint, "status", "state",
	        json_array_size(silenced_by) > 0 ? "suppressed" : "active", "silencedBy",
	        silenced_by, "inhibitedBy");
	json_object_set_new(result, "startsAt",
	        time_json(json_integer_value(json_object_get(alert, "first_ms"))));
	json_object_set_new(result, "updatedAt",
	        time_json(json_integer_value(json_object_get(alert, "last_ms"))));
	json_object_set_new(result, "endsAt", time_json(clock_now_ms() + ALERTMANAGER_RESOLVE_MS));
	json_object_set_new(result, "generatorURL", json_string(url ? url : ""));
	return result;
}

/* The alerts that the client asks for; NULL: it asks wrongly, and the answer is set. */
static json_t *alerts_json(struct web_call *call)
{
	json_t *list = NULL, *alert;
	struct api_filter filter;
	size_t i;

	if (call_failed(call) || !api_filter_read(&filter, call, RECEIVER))
		return NULL;
	list = json_array();
	json_array_foreach(json_object_get(api_answer_of(call), "alerts"), i, alert)
	{
		json_t *shown = alert_json(call->config, alert);

		if (api_filter_shows_alert(&filter, shown))
			json_array_append(list, shown);
		json_decref(shown);
	}
	api_filter_finish(&filter);
	if (filter.failed) {
		json_decref(list);
		list = NULL;
	}
	return list;
}

void api_firing_finish(struct web_call *call)
{
	json_t *alerts = alerts_json(call);

	if (alerts)
		call_json(call, MHD_HTTP_OK, alerts);
}

void api_groups_finish(struct web_call *call)
{
	json_t *alerts = alerts_json(call);

	if (!alerts)
		return;
	if (json_array_size(alerts) > 0)
		call_json(call, MHD_HTTP_OK,
		        json_pack("[{s:{}, s:{s:s}, s:O}]", "labels", "receiver", "name", RECEIVER,
		                "alerts", alerts));
	else
		call_json(call, MHD_HTTP_OK, json_array());
	json_decref(alerts);
}

/* ---- silences ---- */

/* Reads one matcher of `name="value", other=~"…"` at *text; false at the end. */
static bool next_matcher(const char **text, json_t *matchers)
{
	size_t len = strcspn(*text, "=!");
	const char *op = *text + len, *c;
	bool equal = *op != '!', regex;
	struct buf value;

	if (!*op)
		return false;
	regex = op[1] == '~';
	c = strchr(op, '"');
	if (!c)
		return false;
	buf_init(&value, MATCHERS_TEXT_MAX);
	for (c++; *c && *c != '"'; c++) {
		if (*c == '\\' && c[1])
			c++;
		buf_add_char(&value, *c);
	}
	json_array_append_new(
	        matchers, json_pack("{s:s%, s:s, s:b, s:b}", "name", *text, len, "value",
	                          buf_str(&value), "isRegex", regex, "isEqual", equal));
	buf_finish(&value);
	*text = *c ? c + 1 : c;
	*text += strspn(*text, ", ");
	return true;
}

static json_t *silence_json(const json_t *silence, bool ended)
{
	int64_t id = json_integer_value(json_object_get(silence, "id"));
	int64_t start_ms = json_integer_value(json_object_get(silence, "start_ms"));
	const char *text = json_string_value(json_object_get(silence, "matchers"));
	json_t *matchers = json_array(), *result;

	while (text && next_matcher(&text, matchers))
		;
	result = json_pack("{s:o, s:o, s:O?, s:O?, s:{s:s}}", "id", json_sprintf(UUID_FORM, id),
	        "matchers", matchers, "createdBy", json_object_get(silence, "by"), "comment",
	        json_object_get(silence, "reason"), "status", "state",
	        ended                       ? "expired"
	        : start_ms > clock_now_ms() ? "pending"
	                                    : "active");
	json_object_set_new(result, "startsAt", time_json(start_ms));
	json_object_set_new(result, "updatedAt", time_json(start_ms));
	json_object_set_new(result, "endsAt",
	        time_json(json_integer_value(json_object_get(silence, "end_ms"))));
	return result;
}

void api_silences_run(struct web_call *call)
{
	call_request(call, json_pack("{s:s, s:s}", "op", "silences", "which", "ended"));
}

static void api_add_silences(
        struct api_filter *filter, const json_t *silences, bool ended, json_t *list)
{
	json_t *silence;
	size_t i;

	json_array_foreach(silences, i, silence)
	{
		json_t *shown = silence_json(silence, ended);

		if (api_filter_shows_silence(filter, shown))
			json_array_append(list, shown);
		json_decref(shown);
	}
}

void api_silences_finish(struct web_call *call)
{
	const json_t *answer = api_answer_of(call);
	struct api_filter filter;
	json_t *list;

	if (call_failed(call) || !api_filter_read(&filter, call, RECEIVER))
		return;
	list = json_array();
	api_add_silences(&filter, json_object_get(answer, "silences"), false, list);
	api_add_silences(&filter, json_object_get(answer, "ended"), true, list);
	api_filter_finish(&filter);
	if (filter.failed)
		json_decref(list);
	else
		call_json(call, MHD_HTTP_OK, list);
}

/* The number in a UUID made here, or the number itself; 0 = another silence's id. */
static int64_t api_number_of(const char *id)
{
	static const char prefix[] = UUID_PREFIX;

	if (strncmp(id, prefix, sizeof(prefix) - 1) == 0)
		id += sizeof(prefix) - 1;
	return *id && strlen(id) <= 12 && strspn(id, "0123456789") == strlen(id)
	               ? strtoll(id, NULL, 10)
	               : 0;
}

/* Writes matchers as `name="value", other=~"…"`; false if one is invalid. */
static bool matchers_text_of(const json_t *matchers, struct buf *out)
{
	const json_t *matcher;
	size_t i;

	json_array_foreach(matchers, i, matcher)
	{
		const char *name = json_string_value(json_object_get(matcher, "name"));
		const char *value = json_string_value(json_object_get(matcher, "value"));
		const json_t *equal = json_object_get(matcher, "isEqual");
		bool regex = json_is_true(json_object_get(matcher, "isRegex"));

		if (!name || !value || strcspn(name, "=!~\", ") != strlen(name))
			return false;
		buf_printf(out, "%s%s%s", i ? ", " : "", name,
		        json_is_false(equal) ? regex ? "!~" : "!="
		        : regex              ? "=~"
		                             : "=");
		matchers_add_value(out, value, strlen(value));
	}
	return out->len > 0 && !out->overflow;
}

static int64_t api_time_of(const json_t *object, const char *name, int64_t fallback_ms)
{
	const char *text = json_string_value(json_object_get(object, name));
	int64_t ms;

	return text && clock_parse_rfc3339(text, &ms) ? ms : fallback_ms;
}

/* POST /api/v2/silences */
void api_silence_run(struct web_call *call)
{
	json_t *notes = json_array(), *body = call_read_json(call, notes), *request;
	int64_t now_ms = clock_now_ms(), start_ms = api_time_of(body, "startsAt", now_ms);
	int64_t end_ms = api_time_of(body, "endsAt", 0);
	const char *edited = json_string_value(json_object_get(body, "id"));
	int64_t id = edited ? api_number_of(edited) : 0;
	const char *comment = json_string_value(json_object_get(body, "comment"));
	const char *author = json_string_value(json_object_get(body, "createdBy"));
	struct buf what;

	buf_init(&what, MATCHERS_TEXT_MAX);
	start_ms = start_ms < now_ms ? now_ms : start_ms;
	if (!call->ready && end_ms <= start_ms)
		call_error(call, MHD_HTTP_BAD_REQUEST, "endsAt must be after startsAt and now");
	if (!call->ready && edited && *edited && !id)
		call_error(call, MHD_HTTP_NOT_FOUND, "no silence has that id");
	if (!call->ready && !matchers_text_of(json_object_get(body, "matchers"), &what))
		call_error(call, MHD_HTTP_BAD_REQUEST, "matchers: name, value, isRegex, isEqual");
	if (!call->ready) {
		request = json_pack("{s:s, s:s, s:o}", "op", "silence", "what", buf_str(&what),
		        "duration", json_sprintf("%" PRId64 "s", (end_ms - start_ms + 500) / 1000));
		if (id)
			json_object_set_new(request, "id", json_integer(id));
		if (start_ms > now_ms + CLOCK_MINUTE_MS)
			json_object_set_new(request, "start", time_json(start_ms));
		/* of a changed one clients send back the comment that has the author already */
		if (id && comment)
			json_object_set_new(request, "reason", json_string(comment));
		else if (!id && ((comment && *comment) || (author && *author)))
			json_object_set_new(request, "reason",
			        json_sprintf("%s%s%s%s", comment ? comment : "",
			                author && *author ? " (" : "", author ? author : "",
			                author && *author ? ")" : ""));
		call_request(call, request);
	}
	buf_finish(&what);
	json_decref(body);
	json_decref(notes);
}

void api_silence_finish(struct web_call *call)
{
	if (call_failed(call))
		return;
	call_json(call, MHD_HTTP_OK,
	        json_pack("{s:o}", "silenceID",
	                json_sprintf(UUID_FORM, (int64_t)json_integer_value(json_object_get(
	                                                api_answer_of(call), "id")))));
}

/* GET /api/v2/silence/ID */
void api_one_silence_finish(struct web_call *call)
{
	static const char *const lists[] = {"silences", "ended"};
	int64_t id = api_number_of(call->rest);
	const json_t *silence;
	size_t i;

	if (call_failed(call))
		return;
	for (int ended = 0; ended < 2; ended++)
		json_array_foreach(json_object_get(api_answer_of(call), lists[ended]), i, silence)
		{
			if (json_integer_value(json_object_get(silence, "id")) == id) {
				call_json(call, MHD_HTTP_OK, silence_json(silence, ended));
				return;
			}
		}
	call_error(call, MHD_HTTP_NOT_FOUND, "no silence has that id");
}

void call_end_silence(struct web_call *call, int64_t id)
{
	if (id)
		call_request(
		        call, json_pack("{s:s, s:I}", "op", "unsilence", "id", (json_int_t)id));
	else
		call_error(call, MHD_HTTP_NOT_FOUND, "no silence has that id");
}

void api_unsilence_run(struct web_call *call)
{
	call_end_silence(call, api_number_of(call->rest));
}

/*
 * alertmanager.c - see alertmanager.h.
 */
#include "bot/http/alertmanager.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/text.h"

#define FNV_OFFSET UINT64_C(14695981039346656037)
#define FNV_PRIME UINT64_C(1099511628211)
#define TEXT_MAX (32 * 1024)
#define LINK_MAX 2048 /* bytes of a link that many alerts share: each gets a copy */

static uint64_t fnv_add(uint64_t sum, const char *text)
{
	for (; *text; text++)
		sum = (sum ^ (unsigned char)*text) * FNV_PRIME;
	return (sum ^ 255) * FNV_PRIME;
}

static int alertmanager_compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void alertmanager_fingerprint(const json_t *labels, char out[17])
{
	size_t len = json_object_size(labels), used = 0;
	const char **names = x_calloc(len + 1, sizeof(*names)), *name;
	uint64_t sum = FNV_OFFSET;
	json_t *value;

	json_object_foreach((json_t *)labels, name, value)
	{
		names[used++] = name;
	}
	qsort(names, used, sizeof(*names), alertmanager_compare_names);
	for (size_t i = 0; i < used; i++) {
		const char *text = json_string_value(json_object_get(labels, names[i]));

		sum = fnv_add(fnv_add(sum, names[i]), text ? text : "");
	}
	free(names);
	snprintf(out, 17, "%016" PRIx64, sum);
}

/* The length of a "%!f(string=x)" at text; 0 = there is none. */
static size_t bad_verb(const char *text)
{
	const char *end;

	if (strncmp(text, "%!", 2) != 0)
		return 0;
	if (text[2] == '(') /* %!(EXTRA …) */
		end = strchr(text, ')');
	else
		end = text[2] && text[3] == '(' ? strchr(text, ')') : text + 2;
	return end ? (size_t)(end - text) + 1 : strlen(text);
}

void alertmanager_add_text(struct buf *out, const char *text)
{
	static const char missing[] = "<no value>";

	while (*text) {
		size_t bad = bad_verb(text);

		if (strncmp(text, missing, sizeof(missing) - 1) == 0)
			text += sizeof(missing) - 1;
		else if (bad > 0)
			text += bad < strlen(text) ? bad : strlen(text);
		else
			buf_add_char(out, *text++);
	}
}

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

/* The first member that is present, of the NULL-terminated names; "" = none. */
static const char *first_of(const json_t *object, char *const *names)
{
	for (; names && *names; names++)
		if (*text_of(object, *names))
			return text_of(object, *names);
	return "";
}

static void alertmanager_set_text(json_t *object, const char *name, const char *text)
{
	struct buf clean;

	buf_init(&clean, TEXT_MAX);
	alertmanager_add_text(&clean, text);
	if (clean.len > 0)
		json_object_set_new(object, name,
		        json_sprintf("%.*s%s", (int)text_whole(buf_str(&clean), clean.len),
		                buf_str(&clean), clean.overflow ? "…" : ""));
	buf_finish(&clean);
}

/* The title, and which instance it is about unless the title says so: many fail at once by the same
 * rule, and a list shows the titles alone. */
static void alertmanager_set_title(json_t *request, const json_t *labels, const char *title)
{
	const char *instance = text_of(labels, "instance");
	char *host = x_strndup(instance, strcspn(instance, ":"));
	char *both = *host && !strstr(title, host) ? x_asprintf("%s (%s)", title, instance) : NULL;

	alertmanager_set_text(request, "title", both ? both : title);
	free(both);
	free(host);
}

/* Labels, and annotations other than title and text, become fields. */
static json_t *fields_of(const json_t *labels, const json_t *annotations)
{
	static const char *const said[] = {
	        "summary", "title", "description", "message", "severity"};
	json_t *fields = json_object(), *value;
	const char *name;

	json_object_foreach((json_t *)annotations, name, value)
	{
		bool known = false;

		for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++)
			known = known || strcmp(said[i], name) == 0;
		if (!known && json_is_string(value))
			alertmanager_set_text(fields, name, json_string_value(value));
	}
	json_object_foreach((json_t *)labels, name, value)
	{
		if (strcmp(name, "severity") != 0 && json_is_string(value))
			json_object_set(fields, name, value);
	}
	return fields;
}

/* Whether a list of the config contains a word, ignoring case. */
static bool alertmanager_means(char *const *words, const char *word)
{
	for (; words && *words; words++)
		if (strcasecmp(*words, word) == 0)
			return true;
	return false;
}

/* The severity that the config assigns to the label value, else the value itself. */
static const char *alertmanager_severity(const struct config_labels *names, const char *word)
{
	for (int i = 0; i < SEVERITY_COUNT; i++)
		if (alertmanager_means(names->severities[i], word))
			return severity_name((enum severity)i);
	return word;
}

/* The fields common to both ways of sending. */
static json_t *alertmanager_alert(const struct config_labels *names, const json_t *alert,
        const json_t *group, const char *sender, bool resolved)
{
	static char *const titles[] = {(char *)"summary", (char *)"title", NULL};
	static char *const texts[] = {(char *)"description", (char *)"message", NULL};
	static char *const links[] = {
	        (char *)"panelURL", (char *)"dashboardURL", (char *)"generatorURL", NULL};
	const json_t *labels = json_object_get(alert, "labels");
	const json_t *annotations = json_object_get(alert, "annotations");
	const char *app = first_of(labels, names->app), *name = first_of(labels, names->title);
	const char *summary = first_of(annotations, titles);
	const char *severity = first_of(labels, names->severity);
	const char *starts = text_of(alert, "startsAt"), *ends = text_of(alert, "endsAt");
	const char *link = first_of(alert, links);
	char fingerprint[17];
	json_t *request;

	alertmanager_fingerprint(labels, fingerprint);
	request = json_pack("{s:s, s:s, s:s, s:s, s:o}", "op", "alert", "app", *app ? app : sender,
	        "key", fingerprint, "status", resolved ? "resolved" : "firing", "fields",
	        fields_of(labels, annotations));
	alertmanager_set_title(request, labels, *summary ? summary : *name ? name : "alert");
	alertmanager_set_text(request, "text", first_of(annotations, texts));
	if (*severity)
		json_object_set_new(
		        request, "severity", json_string(alertmanager_severity(names, severity)));
	if (*(resolved ? ends : starts))
		json_object_set_new(request, "at", json_string(resolved ? ends : starts));
	if (!*link && strlen(text_of(group, "externalURL")) <= LINK_MAX)
		link = text_of(group, "externalURL");
	if (*link)
		json_object_set_new(request, "url", json_string(link));
	if (*text_of(alert, "silenceURL"))
		json_object_set(json_object_get(request, "fields"), "silenceURL",
		        json_object_get(alert, "silenceURL"));
	return request;
}

/* Sets the given member to an id of this state of the episode. */
static void alertmanager_name_telling(
        json_t *request, const char *member, const json_t *alert, const char *status)
{
	json_object_set_new(request, member,
	        json_sprintf("%s %s %s", json_string_value(json_object_get(request, "key")),
	                text_of(alert, "startsAt"), status));
}

json_t *alertmanager_webhook(const struct config_labels *names, const json_t *alert,
        const json_t *group, const char *sender)
{
	bool resolved = strcmp(text_of(alert, "status"), "resolved") == 0;
	json_t *request = alertmanager_alert(names, alert, group, sender, resolved);

	/* a resolved episode may fire again with the same startsAt */
	alertmanager_name_telling(request, "id", alert, resolved ? "resolved" : "firing");
	alertmanager_name_telling(request, "reopens", alert, resolved ? "firing" : "resolved");
	return request;
}

json_t *alertmanager_posted(const struct config_labels *names, const json_t *alert, int64_t now_ms)
{
	const char *text = text_of(alert, "endsAt");
	int64_t ends_ms = 0;
	char ends_at[32];
	json_t *request;
	bool resolved;

	if (!clock_parse_rfc3339(text, &ends_ms) ||
	        ends_ms <= 0) /* absent, or the zero time of Go */
		ends_ms = now_ms + ALERTMANAGER_RESOLVE_MS;
	resolved = ends_ms <= now_ms;
	request = alertmanager_alert(names, alert, NULL, "alertmanager", resolved);
	if (resolved) {
		alertmanager_name_telling(request, "id", alert, "resolved");
	} else {
		alertmanager_name_telling(request, "reopens", alert, "resolved");
		clock_format_rfc3339(ends_ms, ends_at, sizeof(ends_at));
		json_object_set_new(request, "ends_at", json_string(ends_at));
	}
	return request;
}

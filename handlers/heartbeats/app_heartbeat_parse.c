/*
 * app_heartbeat_parse.c - parses a request into a checked heartbeat; see app_heartbeat.h.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "handlers/heartbeats/app_heartbeat.h"
#include "handlers/heartbeats/schedule.h"

#define NAME_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-"
#define EVERY_MIN_MS (10 * CLOCK_SECOND_MS)
#define EVERY_MAX_MS (366 * CLOCK_DAY_MS)
#define GRACE_MAX_MS (30 * CLOCK_DAY_MS)

static enum err app_heartbeat_parse_refuse(struct alert_fault *fault, const char *field,
        const char *format, ...) __attribute__((format(printf, 3, 4)));

static enum err app_heartbeat_parse_refuse(
        struct alert_fault *fault, const char *field, const char *format, ...)
{
	va_list args;

	snprintf(fault->field, sizeof(fault->field), "%s", field);
	va_start(args, format);
	vsnprintf(fault->message, sizeof(fault->message), format, args);
	va_end(args);
	return ERR_INVALID;
}

/* The text of a member, "" when it is absent; NULL: it is not a string. */
static const char *text_of(const json_t *request, const char *name)
{
	const json_t *value = json_object_get(request, name);

	return value ? json_string_value(value) : "";
}

static enum err take_name(const json_t *request, const char *field, char *out, size_t max,
        bool required, struct alert_fault *fault)
{
	const char *text = text_of(request, field);

	if (!text || strlen(text) > max || text[strspn(text, NAME_CHARS)] || (required && !*text))
		return app_heartbeat_parse_refuse(fault, field,
		        "%s must be 1 to %zu of the characters A-Z a-z 0-9 _ . -", field, max);
	memcpy(out, text, strlen(text) + 1);
	return OK;
}

static enum err take_duration(const json_t *request, const char *field, int64_t min_ms,
        int64_t max_ms, int64_t *ms, struct alert_fault *fault)
{
	const char *text = text_of(request, field);
	char min[32], max[32];

	if (text && !*text)
		return OK;
	if (text && clock_parse_duration(text, ms) && *ms >= min_ms && *ms <= max_ms)
		return OK;
	clock_format_duration(min_ms, min, sizeof(min));
	clock_format_duration(max_ms, max, sizeof(max));
	return app_heartbeat_parse_refuse(fault, field,
	        "%s must be a duration such as \"1h\" or \"1d12h\", from %s to %s", field, min,
	        max);
}

static enum err take_schedule(
        const json_t *request, struct app_heartbeat *out, struct alert_fault *fault)
{
	const char *text = text_of(request, "schedule");
	struct schedule schedule;
	char why[160];

	if (!text)
		return app_heartbeat_parse_refuse(fault, "schedule", "schedule must be a string");
	if (!*text)
		return OK;
	if (out->every_ms)
		return app_heartbeat_parse_refuse(
		        fault, "schedule", "either every or schedule, not both");
	if (schedule_cron(&schedule, text, why) != OK)
		return app_heartbeat_parse_refuse(fault, "schedule", "%s", why);
	out->schedule = x_strdup(text);
	return OK;
}

static enum err take_at(
        const json_t *request, int64_t now_ms, struct app_heartbeat *out, struct alert_fault *fault)
{
	const char *text = text_of(request, "at");

	out->at_ms = now_ms;
	if (text && !*text)
		return OK;
	if (!text || !clock_parse_rfc3339(text, &out->at_ms) || out->at_ms < 0)
		return app_heartbeat_parse_refuse(
		        fault, "at", "at must be a time by RFC 3339 like 2026-11-24T09:00:00Z");
	if (out->at_ms > now_ms)
		out->at_ms = now_ms; /* a time in the future would delay the alarm */
	return OK;
}

enum err app_heartbeat_parse(
        const json_t *request, int64_t now_ms, struct app_heartbeat *out, struct alert_fault *fault)
{
	const json_t *end = json_object_get(request, "stop");
	enum err err;

	memset(out, 0, sizeof(*out));
	out->grace_ms = -1;
	err = take_name(request, "app", out->app, ALERT_APP_MAX, true, fault);
	if (err == OK)
		err = take_name(request, "name", out->name, APP_HEARTBEAT_NAME_MAX, false, fault);
	if (err == OK)
		err = take_duration(
		        request, "every", EVERY_MIN_MS, EVERY_MAX_MS, &out->every_ms, fault);
	if (err == OK)
		err = take_duration(request, "grace", 0, GRACE_MAX_MS, &out->grace_ms, fault);
	if (err == OK)
		err = take_schedule(request, out, fault);
	if (err == OK)
		err = take_at(request, now_ms, out, fault);
	if (err == OK && end && !json_is_boolean(end))
		err = app_heartbeat_parse_refuse(fault, "stop", "stop must be true or false");
	if (err == OK && json_object_get(request, "failed")) {
		out->failed = x_strdup_opt(text_of(request, "failed"));
		if (!out->failed)
			err = app_heartbeat_parse_refuse(
			        fault, "failed", "failed must be a text that says what failed");
	}
	out->stop = json_is_true(end);
	return err;
}

void app_heartbeat_finish(struct app_heartbeat *beat)
{
	free(beat->schedule);
	free(beat->failed);
	beat->schedule = beat->failed = NULL;
}

/*
 * alert_parse.c - from a request to an alert that can be stored and shown, however malformed its
 * parts are (alert.h).
 *
 * One table names the keys with their limits. A key that is not in the table goes to `fields`.
 * Every correction is noted for alert->warnings.
 */
#include <math.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/json_mend.h"
#include "bot/base/request.h"
#include "bot/base/text.h"
#include "handlers/alerts/alert_internal.h"
#include "handlers/alerts/web_link.h"

#define FALLBACK_SEVERITY SEVERITY_WARNING /* of a kind that the config does not know */
#define UNNAMED_APP "unnamed"
#define NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-"
#define AT_MILLISECONDS \
	100e9 /* a time given as a number is in seconds below this, otherwise in milliseconds */
#define AT_MAX 1e15

/* A request while it is being parsed. */
struct reading {
	struct alert *alert;
	const struct config *config;
	int64_t now_ms;
	unsigned dropped; /* fields over the limit */
	json_t *notes;
};

/* ---- one value ---- */

/* The JSON text of an object or array, any other value as plain text; owned by the caller. */
static char *alert_parse_value_text(const json_t *value)
{
	return json_is_object(value) || json_is_array(value) ? json_dumps(value, JSON_COMPACT)
	                                                     : alert_scalar_text(value);
}

/* A key's value as text, owned by the caller; NULL when absent. */
static char *alert_parse_read_text(struct reading *r, const char *name, const json_t *value)
{
	char *text;

	if (!value)
		return NULL;
	if (json_is_null(value)) {
		json_mend_note(r->notes, name, "null counts as absent");
		return NULL;
	}
	text = alert_parse_value_text(value);
	if (!json_is_string(value))
		json_mend_note(r->notes, name, "%.64s is no string; taken as text", text);
	if (*text)
		return text;
	free(text);
	return NULL;
}

/* Drops the characters that a name may not have; NULL when none is left. */
static char *reduce_name(struct reading *r, const char *name, char *text, size_t max)
{
	char *reduced = x_strdup(text);
	size_t len = 0;

	for (const char *c = text; *c && len < max; c++)
		if (strchr(NAME_CHARACTERS, *c))
			reduced[len++] = *c;
	reduced[len] = '\0';
	if (len == 0)
		json_mend_note(r->notes, name, "has none of the characters A-Z a-z 0-9 _ . -");
	else if (strcmp(reduced, text) != 0)
		json_mend_note(r->notes, name,
		        "reduced to %s: %zu characters of A-Z a-z 0-9 _ . - at most", reduced, max);
	free(text);
	if (len > 0)
		return reduced;
	free(reduced);
	return NULL;
}

static char *cut_text(struct reading *r, const char *name, char *text, size_t max_points)
{
	char *cut = max_points == TEXT_NO_LIMIT ? NULL : json_mend_cut(text, max_points);

	if (!cut)
		return text;
	json_mend_note(r->notes, name, "cut to %zu characters", max_points);
	free(text);
	return cut;
}

/* Identifying values must stay distinct: the end of one that is too long is replaced by a
 * digest. */
static char *cut_distinct(struct reading *r, const char *name, char *text, size_t max_points)
{
	unsigned char digest[SHA256_DIGEST_SIZE];
	char hex[33], *cut, *distinct;
	struct sha256_ctx hash;

	cut = json_mend_cut(text, max_points);
	if (!cut)
		return text;
	free(cut);
	cut = json_mend_cut(text, max_points - (sizeof(hex) - 1));
	sha256_init(&hash);
	sha256_update(&hash, strlen(text), (const uint8_t *)text);
	sha256_digest(&hash, sizeof(digest), digest);
	text_hex(digest, 16, hex);
	distinct = x_asprintf("%s%s", cut, hex);
	json_mend_note(
	        r->notes, name, "cut to %zu characters, the last of them a digest", max_points);
	free(cut);
	free(text);
	return distinct;
}

/* NULL when there is no link in the text, which is the caller's no more. */
static char *mend_link(struct reading *r, char *text)
{
	const char *why = NULL;
	char *url = web_link(text, ALERT_URL_MAX, &why);

	if (!url)
		json_mend_note(r->notes, "url", "dropped: %s", why);
	else if (strcmp(url, text) != 0)
		json_mend_note(r->notes, "url", "%s", why);
	free(text);
	return url;
}

/* ---- the keys ---- */

static char *read_key(struct reading *r, const struct alert_key *key, const json_t *value)
{
	char *text = alert_parse_read_text(r, key->name, value);

	if (!text)
		return NULL;
	if (strcmp(key->name, "app") == 0 || strcmp(key->name, "kind") == 0)
		return reduce_name(r, key->name, text, key->max_points);
	if (strcmp(key->name, "url") == 0)
		return mend_link(r, text);
	if (strcmp(key->name, "id") == 0 || strcmp(key->name, "key") == 0 ||
	        strcmp(key->name, "reopens") == 0)
		return cut_distinct(r, key->name, text, key->max_points);
	return cut_text(r, key->name, text, key->max_points);
}

static enum err read_app(struct reading *r, const json_t *request, struct alert_fault *fault)
{
	if (!request_has_app(request)) {
		snprintf(fault->field, sizeof(fault->field), "app");
		snprintf(fault->message, sizeof(fault->message), "app is missing");
		return ERR_INVALID;
	}
	if (!r->alert->app)
		r->alert->app = x_strdup(UNNAMED_APP);
	return OK;
}

static void read_severity(struct reading *r, const json_t *value, const struct config_kind *kind)
{
	enum severity by_kind = kind ? kind->severity : FALLBACK_SEVERITY;
	char *text = alert_parse_read_text(r, "severity", value);
	enum severity *severity = &r->alert->severity;

	*severity = by_kind;
	if (text && !severity_parse(text, severity)) {
		bool guessed = severity_guess(text, severity);

		json_mend_note(r->notes, "severity", "%.64s is no severity; taken as %s%s", text,
		        severity_name(*severity), guessed ? "" : ", the default of its kind");
	}
	free(text);
}

static void read_status(struct reading *r, const json_t *value)
{
	char *text = alert_parse_read_text(r, "status", value);

	r->alert->resolved = text && text_is_word(text, "resolved");
	if (text && strcmp(text, "resolved") != 0 && strcmp(text, "firing") != 0)
		json_mend_note(r->notes, "status", "%.64s is no status; taken as %s", text,
		        r->alert->resolved ? "resolved" : "firing");
	free(text);
}

/* RFC 3339, or a number of seconds or milliseconds since 1970. */
static bool alert_parse_time_of(const json_t *value, const char *text, int64_t *at_ms)
{
	double number = json_number_value(value);

	if (!json_is_number(value))
		return clock_parse_rfc3339(text, at_ms) && *at_ms >= 0;
	if (!(number >= 0 && number <= AT_MAX))
		return false;
	*at_ms = (int64_t)(number < AT_MILLISECONDS ? number * 1000 : number);
	return true;
}

static void read_at(struct reading *r, const json_t *value)
{
	char *text = alert_parse_read_text(r, "at", value);
	int64_t at_ms = r->now_ms;

	if (text && !alert_parse_time_of(value, text, &at_ms)) {
		json_mend_note(r->notes, "at",
		        "%.64s is no time by RFC 3339 like 2026-11-24T09:00:00Z; taken as now",
		        text);
		at_ms = r->now_ms;
	} else if (at_ms > r->now_ms + CLOCK_DAY_MS) {
		json_mend_note(r->notes, "at", "more than a day ahead; taken as now");
		at_ms = r->now_ms;
	}
	r->alert->at_ms = at_ms;
	free(text);
}

/* An alert that has ended already is resolved. */
static void read_ends_at(struct reading *r, const json_t *value)
{
	char *text = alert_parse_read_text(r, "ends_at", value);
	int64_t ends_ms = 0;

	if (text && !alert_parse_time_of(value, text, &ends_ms))
		json_mend_note(r->notes, "ends_at",
		        "%.64s is no time by RFC 3339 like 2026-11-24T09:00:00Z; dropped", text);
	if (ends_ms > 0 && ends_ms <= r->now_ms)
		r->alert->resolved = true;
	r->alert->ends_ms = r->alert->resolved ? 0 : ends_ms;
	free(text);
}

/* ---- fields ---- */

/* A field's name as text, owned by the caller; NULL when it has none. */
static char *field_name(struct reading *r, const char *label, const char *name)
{
	if (*name)
		return cut_text(r, label, x_strdup(name), ALERT_NAME_MAX);
	json_mend_note(r->notes, label, "dropped: a field without a name");
	return NULL;
}

/* Adds one value to fields; prefix stands before the name in notes. */
static void alert_parse_read_field(
        struct reading *r, const char *prefix, const char *name, json_t *value)
{
	char *label = x_asprintf("%s%s", prefix, name);
	char *key = field_name(r, label, name), *text;
	json_t *fields = r->alert->fields;

	if (!key) {
	} else if (json_is_null(value)) {
		json_mend_note(r->notes, label, "null counts as absent");
	} else if (json_object_size(fields) >= ALERT_FIELDS_MAX && !json_object_get(fields, key)) {
		r->dropped++;
	} else if (json_is_object(value) || json_is_array(value)) {
		text = alert_parse_value_text(value);
		json_object_set_new(fields, key, json_string(text));
		json_mend_note(r->notes, label, "no string, number or boolean; kept as JSON text");
		free(text);
	} else {
		json_object_set(fields, key, value);
	}
	free(key);
	free(label);
}

static bool is_common_key(const char *name)
{
	return strcmp(name, "op") == 0 || strcmp(name, "fields") == 0 ||
	       strcmp(name, REQUEST_MENDED) == 0 || alert_key_find(name);
}

static void read_fields(struct reading *r, const json_t *request)
{
	json_t *given = json_object_get(request, "fields"), *value;
	const char *name;

	json_object_foreach(given, name, value)
	{
		alert_parse_read_field(r, "fields.", name, value);
	}
	if (given && !json_is_object(given))
		alert_parse_read_field(r, "", "fields", given);
	json_object_foreach((json_t *)request, name, value)
	{
		if (!is_common_key(name) && !json_object_get(r->alert->fields, name))
			alert_parse_read_field(r, "", name, value);
	}
	if (r->dropped > 0)
		json_mend_note(r->notes, "fields", "at most %d fields are kept; %u dropped",
		        ALERT_FIELDS_MAX, r->dropped);
}

/* ---- all of it ---- */

/* Corrections that were made before this program parsed the request; they come from outside too. */
static void read_notes(struct reading *r, const json_t *notes)
{
	const json_t *note;
	size_t i;

	json_array_foreach(notes, i, note)
	{
		const char *field = json_string_value(json_object_get(note, "field"));
		const char *message = json_string_value(json_object_get(note, "message"));

		if (field && message)
			json_mend_note(r->notes, field, "%s", message);
	}
}

/* An alert with a text and no title takes the text's first line as its title, so that alerts
 * with different texts are different failures. */
static void alert_title_from_text(struct alert *alert)
{
	char *rest, *long_title;
	size_t line;

	if (alert->title || !alert->text || strcmp(alert->kind, "message") != 0)
		return;
	line = strcspn(alert->text, "\n");
	alert->title = x_strndup(alert->text, line);
	long_title = json_mend_cut(alert->title, ALERT_TITLE_MAX);
	if (*alert->title == '\0' || long_title) {
		struct buf cut;

		buf_init(&cut, ALERT_TITLE_MAX * 4);
		text_add_plain(&cut, alert->text, 200, TEXT_FOLD_NEWLINES);
		free(long_title);
		free(alert->title);
		alert->title = buf_take(&cut);
		return;
	}
	rest = x_strdup(alert->text[line] ? alert->text + line + 1 : "");
	free(alert->text);
	alert->text = rest;
	if (*rest == '\0') {
		free(rest);
		alert->text = NULL;
	}
}

enum err alert_parse(const json_t *request, const struct config *config, int64_t now_ms,
        struct alert **out, struct alert_fault *fault)
{
	struct alert *alert = x_calloc(1, sizeof(*alert));
	struct reading r = {
	        .alert = alert, .config = config, .now_ms = now_ms, .notes = json_array()};
	const struct config_kind *kind;
	enum err err;

	*out = NULL;
	memset(fault, 0, sizeof(*fault));
	alert->fields = json_object();
	alert->warnings = r.notes;
	alert->peer = (struct alert_peer){-1, -1, -1};

	read_notes(&r, json_object_get(request, REQUEST_MENDED));
	for (size_t i = 0; i < ALERT_KEYS_LEN; i++)
		if (alert_keys[i].offset >= 0)
			*alert_member(alert, &alert_keys[i]) = read_key(
			        &r, &alert_keys[i], json_object_get(request, alert_keys[i].name));
	err = read_app(&r, request, fault);
	if (err) {
		alert_destroy(alert);
		return err;
	}
	if (!alert->kind)
		alert->kind = x_strdup("message");
	kind = config_kind(config, alert->kind);
	read_severity(&r, json_object_get(request, "severity"), kind);
	read_status(&r, json_object_get(request, "status"));
	read_at(&r, json_object_get(request, "at"));
	read_ends_at(&r, json_object_get(request, "ends_at"));
	read_fields(&r, request);
	alert_title_from_text(alert);
	alert_identify(alert, kind);
	if (json_array_size(alert->warnings) == 0) {
		json_decref(alert->warnings);
		alert->warnings = NULL;
	}
	*out = alert;
	return OK;
}

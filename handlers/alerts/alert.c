/*
 * alert.c - see alert.h.
 *
 * A request is read key by key from one table, so that each key has its type, its limit and its
 * message in one line. What the table does not know goes to `fields`.
 */
#include "handlers/alerts/alert.h"

#include <math.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/text.h"

#define DIGEST_BYTES 16       /* of SHA-256, kept */
#define IDENTITY_PART_MAX 120 /* code points of each identifying value that people see */
#define IDENTITY_MAX 8192     /* bytes */
#define FALLBACK_SEVERITY SEVERITY_WARNING /* of a kind that the config does not know */

/* A common key that is a string; offset of its place in struct alert, where it has one. */
struct alert_key {
	const char *name;
	ptrdiff_t offset; /* -1 = looked at elsewhere */
	size_t max_points;
};

#define KEPT(member, max)                                    \
	{                                                    \
#member, offsetof(struct alert, member), max \
	}
static const struct alert_key keys[] = {
        KEPT(app, ALERT_APP_MAX),
        KEPT(kind, ALERT_NAME_MAX),
        KEPT(run_id, ALERT_NAME_MAX),
        KEPT(id, ALERT_NAME_MAX),
        KEPT(key, ALERT_NAME_MAX),
        KEPT(url, ALERT_URL_MAX),
        KEPT(title, ALERT_TITLE_MAX),
        KEPT(text, TEXT_NO_LIMIT),
        {"severity", -1, TEXT_NO_LIMIT},
        {"status", -1, TEXT_NO_LIMIT},
        {"at", -1, TEXT_NO_LIMIT},
};
#undef KEPT
#define KEYS_LEN (sizeof(keys) / sizeof(keys[0]))

static char **alert_member(struct alert *alert, const struct alert_key *key)
{
	return (char **)((char *)alert + key->offset);
}

static const struct alert_key *alert_key_find(const char *name)
{
	for (size_t i = 0; i < KEYS_LEN; i++)
		if (strcmp(keys[i].name, name) == 0)
			return &keys[i];
	return NULL;
}

/* Copies what fits without cutting a code point, so that the fault can be told as JSON. */
static void alert_copy_cut(char *out, size_t size, const char *text)
{
	size_t len = strlen(text);

	if (len >= size) {
		len = size - 1;
		while (len > 0 && ((unsigned char)text[len] & 0xC0) == 0x80)
			len--;
	}
	memcpy(out, text, len);
	out[len] = '\0';
}

static enum err alert_refuse(struct alert_fault *fault, const char *field, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

static enum err alert_refuse(struct alert_fault *fault, const char *field, const char *format, ...)
{
	char message[sizeof(fault->message) * 2];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	alert_copy_cut(fault->field, sizeof(fault->field), field);
	alert_copy_cut(fault->message, sizeof(fault->message), message);
	return ERR_INVALID;
}

static size_t alert_count_points(const char *text)
{
	size_t points = 0;

	for (; *text; text++)
		points += ((unsigned char)*text & 0xC0) != 0x80;
	return points;
}

static bool alert_is_name(const char *text)
{
	return *text && strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	                             "0123456789_.-") == strlen(text);
}

/* Only what can stand in a link: http or https with a host, and no byte that RFC 3986 leaves out
 * and that would end the link or an attribute. */
static bool alert_is_url(const char *text)
{
	const char *rest;

	if (strncasecmp(text, "https://", 8) == 0)
		rest = text + 8;
	else if (strncasecmp(text, "http://", 7) == 0)
		rest = text + 7;
	else
		return false;
	if (*rest == '\0' || *rest == '/')
		return false;
	for (const unsigned char *p = (const unsigned char *)text; *p; p++)
		if (*p <= ' ' || *p >= 0x7F || strchr("\"<>\\^`{|}", *p))
			return false;
	return true;
}

/* One string key of the request into its place. */
static enum err alert_take_string(struct alert *alert, const struct alert_key *key,
        const json_t *value, struct alert_fault *fault)
{
	const char *text;

	if (!json_is_string(value))
		return alert_refuse(fault, key->name, "%s must be a string", key->name);
	text = json_string_value(value);
	if (strcmp(key->name, "app") == 0 &&
	        (!alert_is_name(text) || strlen(text) > ALERT_APP_MAX)) {
		return alert_refuse(fault, "app",
		        "app must be 1 to %d characters of A-Z a-z 0-9 _ . -", ALERT_APP_MAX);
	}
	if (*text == '\0')
		return OK;
	if (key->max_points != TEXT_NO_LIMIT && alert_count_points(text) > key->max_points) {
		return alert_refuse(fault, key->name, "%s must be at most %zu characters",
		        key->name, key->max_points);
	}
	if (strcmp(key->name, "kind") == 0 && !alert_is_name(text)) {
		return alert_refuse(fault, "kind",
		        "kind must be 1 to %d characters of A-Z a-z 0-9 _ . -", ALERT_NAME_MAX);
	}
	if (strcmp(key->name, "url") == 0 && !alert_is_url(text)) {
		return alert_refuse(fault, "url",
		        "url must be an http or https address without spaces, percent-encoded");
	}
	if (key->offset >= 0)
		*alert_member(alert, key) = x_strdup(text);
	return OK;
}

/* One scalar into fields; prefix is put before the name in a fault. */
static enum err alert_take_field(struct alert *alert, const char *prefix, const char *name,
        json_t *value, struct alert_fault *fault)
{
	char label[sizeof(fault->field) * 4];

	snprintf(label, sizeof(label), "%s%s", prefix, name);
	if (!json_is_string(value) && !json_is_number(value) && !json_is_boolean(value)) {
		return alert_refuse(
		        fault, label, "a field must be a string, a number or a boolean");
	}
	if (*name == '\0' || alert_count_points(name) > ALERT_NAME_MAX) {
		return alert_refuse(
		        fault, label, "a field's name must be 1 to %d characters", ALERT_NAME_MAX);
	}
	if (json_object_size(alert->fields) >= ALERT_FIELDS_MAX &&
	        !json_object_get(alert->fields, name)) {
		return alert_refuse(
		        fault, label, "an alert must have at most %d fields", ALERT_FIELDS_MAX);
	}
	json_object_set(alert->fields, name, value);
	return OK;
}

static enum err alert_take_all(
        struct alert *alert, const json_t *request, struct alert_fault *fault)
{
	json_t *given = json_object_get(request, "fields");
	const char *name;
	json_t *value;
	enum err err;

	if (given && !json_is_object(given))
		return alert_refuse(fault, "fields", "fields must be an object");
	/* Each named key first, in the table's order, so that a fault is told in a fixed order. */
	for (size_t i = 0; i < KEYS_LEN; i++) {
		value = json_object_get(request, keys[i].name);
		if (value) {
			err = alert_take_string(alert, &keys[i], value, fault);
			if (err)
				return err;
		}
	}
	json_object_foreach(given, name, value)
	{
		err = alert_take_field(alert, "fields.", name, value, fault);
		if (err)
			return err;
	}
	json_object_foreach((json_t *)request, name, value)
	{
		if (strcmp(name, "op") == 0 || strcmp(name, "fields") == 0 ||
		        alert_key_find(name) || json_object_get(given, name))
			continue;
		err = alert_take_field(alert, "", name, value, fault);
		if (err)
			return err;
	}
	return OK;
}

static enum err alert_take_at(
        struct alert *alert, const json_t *request, int64_t now_ms, struct alert_fault *fault)
{
	const char *at = json_string_value(json_object_get(request, "at"));

	alert->at_ms = now_ms;
	if (!at || *at == '\0')
		return OK;
	if (!clock_parse_rfc3339(at, &alert->at_ms) || alert->at_ms < 0) {
		return alert_refuse(
		        fault, "at", "at must be a time by RFC 3339 like 2026-11-24T09:00:00Z");
	}
	if (alert->at_ms > now_ms + CLOCK_DAY_MS)
		return alert_refuse(fault, "at", "at must not be more than a day ahead");
	return OK;
}

/* The first line of a plain text becomes the title that it lacks, so that two texts are two
 * things. */
static void alert_title_from_text(struct alert *alert)
{
	size_t line;
	char *rest;

	if (alert->title || !alert->text || strcmp(alert->kind, "message") != 0)
		return;
	line = strcspn(alert->text, "\n");
	alert->title = x_strndup(alert->text, line);
	if (*alert->title == '\0' || alert_count_points(alert->title) > ALERT_TITLE_MAX) {
		struct buf cut;

		buf_init(&cut, ALERT_TITLE_MAX * 4);
		text_add_plain(&cut, alert->text, 200, TEXT_FOLD_NEWLINES);
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

/* Length-prefixed, so that no two lists of parts give the same bytes; NULL is told from "". */
static void alert_hash_part(EVP_MD_CTX *hash, const char *part)
{
	uint64_t len = part ? strlen(part) : UINT64_MAX;
	unsigned char prefix[8];

	for (int i = 0; i < 8; i++)
		prefix[i] = (unsigned char)(len >> (8 * i));
	if (EVP_DigestUpdate(hash, prefix, sizeof(prefix)) != 1 ||
	        (part && EVP_DigestUpdate(hash, part, strlen(part)) != 1))
		abort();
}

/* SHA-256 fails only for want of memory, which ends the process everywhere. */
static char *alert_digest(const struct alert *alert, bool with_severity, const char *const *names)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *hash = EVP_MD_CTX_new();
	char *hex = x_calloc(1, DIGEST_BYTES * 2 + 1);

	if (!hash || EVP_DigestInit_ex(hash, EVP_sha256(), NULL) != 1)
		abort();
	alert_hash_part(hash, alert->app);
	alert_hash_part(hash, alert->kind);
	alert_hash_part(hash, with_severity ? severity_name(alert->severity) : NULL);
	alert_hash_part(hash, alert->key);
	for (; !alert->key && *names; names++) {
		char *value = alert_value(alert, *names);

		alert_hash_part(hash, value);
		free(value);
	}
	if (EVP_DigestFinal_ex(hash, digest, NULL) != 1)
		abort();
	EVP_MD_CTX_free(hash);
	for (int i = 0; i < DIGEST_BYTES; i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	return hex;
}

static void alert_add_identity(struct buf *out, const char *value)
{
	if (value && *value) {
		if (out->len > 0)
			buf_add_str(out, " / ");
		text_add_plain(out, value, IDENTITY_PART_MAX, TEXT_FOLD_NEWLINES);
	}
}

static void alert_identify(struct alert *alert, const struct config_kind *kind)
{
	static const char *const by_title[] = {"title", NULL};
	const char *const *names = kind ? (const char *const *)kind->identity : by_title;
	struct buf identity;

	alert->subject = alert_digest(alert, false, names);
	alert->fingerprint = alert_digest(alert, true, names);
	buf_init(&identity, IDENTITY_MAX);
	for (; *names; names++) {
		char *value = alert_value(alert, *names);

		alert_add_identity(&identity, value);
		free(value);
	}
	if (identity.len == 0)
		alert_add_identity(&identity, alert->key ? alert->key : alert->kind);
	alert->identity = buf_take(&identity);
}

enum err alert_parse(const json_t *request, const struct config *config, int64_t now_ms,
        struct alert **out, struct alert_fault *fault)
{
	struct alert *alert = x_calloc(1, sizeof(*alert));
	const struct config_kind *kind;
	const char *severity, *status;
	enum err err;

	*out = NULL;
	memset(fault, 0, sizeof(*fault));
	alert->fields = json_object();
	alert->peer = (struct alert_peer){-1, -1, -1};

	err = alert_take_all(alert, request, fault);
	if (err)
		goto fail;
	if (!alert->app) {
		err = alert_refuse(fault, "app", "app must be given");
		goto fail;
	}
	if (!alert->kind)
		alert->kind = x_strdup("message");
	kind = config_kind(config, alert->kind);

	severity = json_string_value(json_object_get(request, "severity"));
	if (!severity) {
		alert->severity = kind ? kind->severity : FALLBACK_SEVERITY;
	} else if (!severity_parse(severity, &alert->severity)) {
		err = alert_refuse(
		        fault, "severity", "severity must be one of critical, warning, info");
		goto fail;
	}
	status = json_string_value(json_object_get(request, "status"));
	alert->resolved = status && strcmp(status, "resolved") == 0;
	if (status && !alert->resolved && strcmp(status, "firing") != 0) {
		err = alert_refuse(fault, "status", "status must be one of firing, resolved");
		goto fail;
	}
	err = alert_take_at(alert, request, now_ms, fault);
	if (err)
		goto fail;
	alert_title_from_text(alert);
	alert_identify(alert, kind);
	*out = alert;
	return OK;
fail:
	alert_destroy(alert);
	return err;
}

void alert_destroy(struct alert *alert)
{
	if (!alert)
		return;
	for (size_t i = 0; i < KEYS_LEN; i++)
		if (keys[i].offset >= 0)
			free(*alert_member(alert, &keys[i]));
	json_decref(alert->fields);
	free(alert->identity);
	free(alert->subject);
	free(alert->fingerprint);
	free(alert);
}

char *alert_scalar_text(const json_t *value)
{
	char number[64];
	double real;

	if (json_is_string(value))
		return x_strdup(json_string_value(value));
	if (json_is_boolean(value))
		return x_strdup(json_is_true(value) ? "true" : "false");
	if (json_is_integer(value))
		return x_asprintf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
	/* The shortest text that reads back as the same number: 0.15, not 0.14999999999999999. */
	real = json_real_value(value);
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(number, sizeof(number), "%.*g", digits, real);
		if (strtod(number, NULL) == real)
			break;
	}
	if (!strpbrk(number, ".e"))
		strcat(number, ".0");
	return x_strdup(number);
}

char *alert_value(const struct alert *alert, const char *name)
{
	const struct alert_key *key = alert_key_find(name);
	const json_t *field;

	if (key && key->offset >= 0) {
		const char *text = *alert_member((struct alert *)alert, key);

		if (text)
			return x_strdup(text);
	} else if (strcmp(name, "severity") == 0) {
		return x_strdup(severity_name(alert->severity));
	} else if (strcmp(name, "status") == 0) {
		return x_strdup(alert->resolved ? "resolved" : "firing");
	} else if (strcmp(name, "at") == 0) {
		char text[32];

		clock_format_rfc3339(alert->at_ms, text, sizeof(text));
		return x_strdup(text);
	}
	field = json_object_get(alert->fields, name);
	return field ? alert_scalar_text(field) : NULL;
}

char *alert_fields_json(const struct alert *alert)
{
	json_t *all = json_copy(alert->fields);
	char *text;

	if (alert->title && !json_object_get(all, "title"))
		json_object_set_new(all, "title", json_string(alert->title));
	if (alert->text && !json_object_get(all, "text"))
		json_object_set_new(all, "text", json_string(alert->text));
	text = json_dumps(all, JSON_COMPACT);
	json_decref(all);
	return text;
}

/*
 * alert.c - an alert's values and its identity (alert.h). Parsing is in alert_parse.c.
 */
#include "handlers/alerts/alert_internal.h"
#include "handlers/alerts/facts.h"

#include <math.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/text.h"

#define DIGEST_BYTES 16       /* of SHA-256, kept */
#define IDENTITY_PART_MAX 120 /* code points of each identifying value that are shown */
#define IDENTITY_MAX 8192     /* bytes */

#define KEPT(member, max)                                    \
	{                                                    \
#member, offsetof(struct alert, member), max \
	}
const struct alert_key alert_keys[ALERT_KEYS_LEN] = {
        KEPT(app, ALERT_APP_MAX),
        KEPT(kind, ALERT_NAME_MAX),
        KEPT(run_id, ALERT_NAME_MAX),
        KEPT(id, ALERT_NAME_MAX),
        KEPT(key, ALERT_NAME_MAX),
        KEPT(reopens, ALERT_NAME_MAX),
        KEPT(url, ALERT_URL_MAX),
        KEPT(title, ALERT_TITLE_MAX),
        KEPT(text, TEXT_NO_LIMIT),
        {"severity", -1, TEXT_NO_LIMIT},
        {"status", -1, TEXT_NO_LIMIT},
        {"at", -1, TEXT_NO_LIMIT},
        {"ends_at", -1, TEXT_NO_LIMIT},
};
#undef KEPT

char **alert_member(struct alert *alert, const struct alert_key *key)
{
	return (char **)((char *)alert + key->offset);
}

const struct alert_key *alert_key_find(const char *name)
{
	for (size_t i = 0; i < ALERT_KEYS_LEN; i++)
		if (strcmp(alert_keys[i].name, name) == 0)
			return &alert_keys[i];
	return NULL;
}

/* Length-prefixed, so that no two lists of parts give the same bytes; NULL differs from "". */
static void alert_hash_part(struct sha256_ctx *hash, const char *part)
{
	uint64_t len = part ? strlen(part) : UINT64_MAX;
	unsigned char prefix[8];

	for (int i = 0; i < 8; i++)
		prefix[i] = (unsigned char)(len >> (8 * i));
	sha256_update(hash, sizeof(prefix), prefix);
	if (part)
		sha256_update(hash, strlen(part), (const uint8_t *)part);
}

/* Of the app, the kind, the severity (NULL: none), and what tells the alert from others of its
 * kind: its key, or the values. */
static char *alert_digest(
        const struct alert *alert, const char *severity, char *const *values, size_t len)
{
	unsigned char digest[DIGEST_BYTES];
	char *hex = x_calloc(1, DIGEST_BYTES * 2 + 1);
	struct sha256_ctx hash;

	sha256_init(&hash);
	alert_hash_part(&hash, alert->app);
	alert_hash_part(&hash, alert->kind);
	alert_hash_part(&hash, severity);
	alert_hash_part(&hash, alert->key);
	for (size_t i = 0; !alert->key && i < len; i++)
		alert_hash_part(&hash, values[i]);
	sha256_digest(&hash, sizeof(digest), digest);
	text_hex(digest, DIGEST_BYTES, hex);
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

void alert_identify(struct alert *alert, const struct config_kind *kind)
{
	static const char *const by_title[] = {"title", NULL};
	const char *const *names = kind ? (const char *const *)kind->identity : by_title;
	char **values = NULL;
	struct facts facts;
	struct buf identity;
	size_t len = 0;

	facts_of_alert(&facts, alert, alert->url);
	for (; names[len]; len++) {
		values = x_realloc(values, (len + 1) * sizeof(*values));
		values[len] = facts_value(&facts, names[len]);
	}
	alert->subject = alert_digest(alert, NULL, values, len);
	alert->fingerprint = alert_digest(alert, severity_name(alert->severity), values, len);
	buf_init(&identity, IDENTITY_MAX);
	for (size_t i = 0; i < len; i++) {
		alert_add_identity(&identity, values[i]);
		free(values[i]);
	}
	free(values);
	alert->unnamed = identity.len == 0 && !alert->key;
	if (identity.len == 0)
		alert_add_identity(&identity, alert->key ? alert->key : alert->kind);
	alert->identity = buf_take(&identity);
}

void alert_destroy(struct alert *alert)
{
	if (!alert)
		return;
	for (size_t i = 0; i < ALERT_KEYS_LEN; i++)
		if (alert_keys[i].offset >= 0)
			free(*alert_member(alert, &alert_keys[i]));
	json_decref(alert->fields);
	json_decref(alert->warnings);
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

char *alert_fields_json(const struct alert *alert)
{
	bool more = alert->title || alert->text;
	json_t *all = more ? json_copy(alert->fields) : json_incref(alert->fields);
	char *text;

	if (alert->title)
		json_object_set_new(all, "title", json_string(alert->title));
	if (alert->text)
		json_object_set_new(all, "text", json_string(alert->text));
	text = json_dumps(all, JSON_COMPACT);
	json_decref(all);
	return text;
}

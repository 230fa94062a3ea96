/*
 * answer.c - see answer.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/text.h"
#include "bot/matrix/answer.h"

#define ERROR_POINTS 160  /* code points of the server's error text */
#define INTEGER_DIGITS 18 /* that fit into 64 bits in any case */
#define RETRY_MAX_MS 86400000.0
#define NUMBER_MAX 400 /* characters; longer numbers are replaced */

/* ---- untrusted JSON ---- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The value of the \uXXXX at text, or -1. */
static long unicode_escape(const char *text, const char *end)
{
	char digits[5] = "";
	char *stop;
	long value;

	if (end - text < 6 || text[0] != '\\' || text[1] != 'u')
		return -1;
	memcpy(digits, text + 2, 4);
	value = strtol(digits, &stop, 16);
	return stop == digits + 4 ? value : -1;
}

/* Adds one escape sequence; returns the bytes read. */
static size_t answer_mend_escape(struct buf *out, const char *text, const char *end)
{
	long high = unicode_escape(text, end), low;

	if (high < 0xD800 || high > 0xDFFF) {
		size_t len = high < 0 ? 2 : 6;

		if (len > (size_t)(end - text))
			len = (size_t)(end - text);
		buf_add(out, text, len);
		return len;
	}
	low = unicode_escape(text + 6, end);
	if (high < 0xDC00 && low >= 0xDC00 && low <= 0xDFFF) {
		buf_add(out, text, 12);
		return 12;
	}
	buf_add_str(out, "\\ufffd");
	return 6;
}

/* Adds one number, or 0 in place of one that does not fit; returns the bytes read. */
static size_t mend_number(struct buf *out, const char *text, const char *end)
{
	const char *at = text;
	char number[NUMBER_MAX + 1];
	bool real = false;
	size_t len;

	while (at < end && (is_digit(*at) || strchr("+-.eE", *at)) && *at) {
		real = real || *at == '.' || *at == 'e' || *at == 'E';
		at++;
	}
	len = (size_t)(at - text);
	if (len > NUMBER_MAX || (!real && len > INTEGER_DIGITS)) {
		buf_add_char(out, '0');
		return len;
	}
	memcpy(number, text, len);
	number[len] = '\0';
	if (real && strtod(number, NULL) - strtod(number, NULL) != 0)
		buf_add_char(out, '0'); /* infinite */
	else
		buf_add(out, text, len);
	return len;
}

static void answer_mend(struct buf *out, const char *text, size_t len)
{
	const char *at = text, *end = text + len;
	bool in_string = false;

	while (at < end) {
		if (in_string && *at == '\\') {
			at += answer_mend_escape(out, at, end);
		} else if (!in_string && (*at == '-' || is_digit(*at))) {
			at += mend_number(out, at, end);
		} else {
			if (*at == '"')
				in_string = !in_string;
			buf_add_char(out, *at++);
		}
	}
}

json_t *answer_parse(const char *text, size_t len)
{
	json_t *json = json_loadb(text, len, JSON_ALLOW_NUL, NULL);
	struct buf mended;

	if (!json) {
		buf_init(&mended, len + 1);
		answer_mend(&mended, text, len);
		json = json_loadb(buf_str(&mended), mended.len, JSON_ALLOW_NUL, NULL);
		buf_finish(&mended);
	}
	if (!json_is_object(json)) {
		json_decref(json);
		return NULL;
	}
	return json;
}

/* ---- what an answer means ---- */

/*
 * Errors that do not concern the single request but the token, the account or the homeserver. The
 * codes are from the client-server API 1.16, "Common error codes" and "Other error codes", unless
 * noted. They are read in 4xx answers only: a 5xx is temporary, whatever its body says.
 */
static const struct {
	const char *errcode;
	enum err code;
} by_errcode[] = {
        {"M_UNKNOWN_TOKEN", ERR_AUTH},
        {"M_MISSING_TOKEN", ERR_AUTH},
        {"M_USER_LOCKED", ERR_HELD},    /* "Account locking": the token stays valid */
        {"M_USER_SUSPENDED", ERR_HELD}, /* "Account suspension" */
        {"M_USER_DEACTIVATED", ERR_HELD},
        {"M_RESOURCE_LIMIT_EXCEEDED", ERR_HELD},
        {"M_USER_LIMIT_EXCEEDED", ERR_HELD},                     /* a quota of the account, 1.18 */
        {"M_CONSENT_NOT_GIVEN", ERR_HELD},                       /* Synapse, user_consent */
        {"M_TERMS_NOT_SIGNED", ERR_HELD},                        /* identity service API */
        {"ORG_MATRIX_EXPIRED_ACCOUNT", ERR_HELD},                /* Synapse, account_validity */
        {"ORG.MATRIX.MSC3823.USER_ACCOUNT_SUSPENDED", ERR_HELD}, /* before 1.13 */
        {"ORG.MATRIX.MSC3866_USER_AWAITING_APPROVAL", ERR_HELD}, /* Synapse */
        {"M_UNRECOGNIZED", ERR_REJECTED}, /* about the request: what it asks for may exist */
        {"M_LIMIT_EXCEEDED", ERR_LIMITED},
        {"M_TOO_LARGE", ERR_TOO_LARGE},
};

/* A homeserver's error always has an errcode: what has none, JSON or not, comes from a proxy before
 * it, which does not judge the event. */
static enum err code_of(long status, const char *errcode, const json_t *body)
{
	bool has_code = json_is_string(json_object_get(body, "errcode"));

	if (status >= 200 && status < 300)
		return body ? OK : ERR_PROTO;
	if (status < 400)
		return ERR_PROTO;
	if (status >= 500)
		return ERR_SERVER;
	for (size_t i = 0; i < sizeof(by_errcode) / sizeof(by_errcode[0]); i++)
		if (strcmp(errcode, by_errcode[i].errcode) == 0)
			return by_errcode[i].code;
	switch (status) {
	case 401: /* user-interactive auth; otherwise it concerns the account, not the request */
		if (json_object_get(body, "flows"))
			return ERR_REJECTED;
		return has_code ? ERR_HELD : ERR_SERVER;
	case 402: /* the account's owner has to pay */
		return has_code ? ERR_HELD : ERR_SERVER;
	case 403:
		return has_code ? ERR_DENIED : ERR_SERVER;
	case 404:
		return has_code ? ERR_NOT_FOUND : ERR_SERVER;
	case 408:
	case 425:
		return ERR_SERVER;
	case 413:
	case 414: /* the URL */
	case 431: /* the headers */
		return ERR_TOO_LARGE;
	case 429:
		return ERR_LIMITED;
	default:
		return has_code ? ERR_REJECTED : ERR_SERVER;
	}
}

static const char *string_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* Copies the server's errcode, keeping only what is safe in a log: letters, digits, dots,
 * underscores. */
static void take_errcode(struct mx_answer *answer, const char *errcode)
{
	size_t len = strspn(errcode, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	                             "0123456789._-");

	if (len < sizeof(answer->errcode) && errcode[len] == '\0')
		memcpy(answer->errcode, errcode, len + 1);
}

static void answer_describe(struct mx_answer *answer, const char *words)
{
	struct buf text;

	buf_init(&text, 4096);
	if (answer->code == ERR_PROTO)
		buf_printf(&text, "unexpected answer (HTTP %ld)", answer->status);
	else
		buf_printf(&text, "HTTP %ld", answer->status);
	if (answer->errcode[0])
		buf_printf(&text, " %s", answer->errcode);
	if (words[0]) {
		buf_add_str(&text, ": ");
		text_add_plain(&text, words, ERROR_POINTS, TEXT_FOLD_NEWLINES);
	}
	if (text.len >= sizeof(answer->error)) {
		text.len = sizeof(answer->error) - 1;
		while (((unsigned char)text.data[text.len] & 0xC0) == 0x80)
			text.len--; /* do not cut inside a code point */
	}
	memcpy(answer->error, text.data, text.len);
	buf_finish(&text);
}

json_t *answer_read(struct mx_answer *answer, const struct http_result *result)
{
	json_t *body;
	const json_t *wait;
	double wait_ms;

	memset(answer, 0, sizeof(*answer));
	answer->code = result->code;
	answer->status = result->status;
	answer->retry_after_ms = result->retry_after_ms;
	answer->duration_ms = result->duration_ms;
	answer->sent = result->sent;
	if (result->code == ERR_TOO_LARGE) {
		/* only the answer failed: the request may have been carried out, and may be
		 * repeated */
		answer->code = ERR_PROTO;
		answer->too_large = true;
		strcpy(answer->error, "the answer is too large");
		return NULL;
	}
	if (result->code != OK) {
		memcpy(answer->error, result->error, sizeof(result->error));
		return NULL;
	}
	body = answer_parse(result->body, result->body_len);
	take_errcode(answer, string_of(body, "errcode"));
	answer->code = code_of(result->status, answer->errcode, body);
	answer->body = body;
	answer->soft_logout = json_is_true(json_object_get(body, "soft_logout"));
	wait = json_object_get(body, "retry_after_ms");
	/* Retry-After has whole seconds, rounded up; the body may have the exact time */
	wait_ms = json_number_value(wait);
	if (json_is_number(wait) && wait_ms >= 0 && wait_ms < RETRY_MAX_MS &&
	        (answer->retry_after_ms < 0 ||
	                (wait_ms < (double)answer->retry_after_ms &&
	                        wait_ms > (double)answer->retry_after_ms - 1000)))
		answer->retry_after_ms = (int64_t)wait_ms;
	/* after a homeserver's 4xx nothing was done; other 4xx (of a proxy) do not prove that */
	if (result->status >= 400 && result->status < 500 && answer->code != ERR_SERVER)
		answer->sent = false;
	if (answer->code != OK)
		answer_describe(answer, string_of(body, "error"));
	return body;
}

/*
 * page_form.c - see page_form.h. The result of an action is kept for the page shown after it.
 */
#include "bot/http/page_form.h"

#include <ctype.h>
#include <nettle/hmac.h>
#include <nettle/memops.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"

#define COOKIE "mtb"
#define COOKIE_BYTES 16
#define NONCE_HOURS 12
#define SAID_MAX 16
#define FIELDS_MAX 8

struct page_secrets {
	unsigned char key[32]; /* random, new for each process */
	struct {
		char name[2 * COOKIE_BYTES + 1], *text;
	} said[SAID_MAX];
	unsigned said_next;
};

/* ---- secrets ---- */

static void page_random_hex(char *out, size_t bytes)
{
	unsigned char raw[COOKIE_BYTES];

	arc4random_buf(raw, bytes);
	for (size_t i = 0; i < bytes; i++)
		snprintf(out + 2 * i, 3, "%02x", raw[i]);
}

struct page_secrets *page_secrets_create(void)
{
	struct page_secrets *secrets = x_calloc(1, sizeof(*secrets));

	arc4random_buf(secrets->key, sizeof(secrets->key));
	return secrets;
}

void page_secrets_destroy(struct page_secrets *secrets)
{
	for (size_t i = 0; i < SAID_MAX; i++)
		free(secrets->said[i].text);
	explicit_bzero(secrets->key, sizeof(secrets->key));
	free(secrets);
}

bool page_may_act(const struct web_call *call)
{
	return call->conn->local || call->token.rights & TOKEN_COMMAND;
}

static const char *page_cookie(struct web_call *call)
{
	const char *cookie = MHD_lookup_connection_value(call->connection, MHD_COOKIE_KIND, COOKIE);

	return cookie && strlen(cookie) == 2 * COOKIE_BYTES &&
	                       strspn(cookie, "0123456789abcdef") == 2 * COOKIE_BYTES
	               ? cookie
	               : NULL;
}

static void page_sign(
        const struct web_call *call, const char *cookie, int64_t at_s, char out[PAGE_NONCE_SIZE])
{
	unsigned char sum[SHA256_DIGEST_SIZE], text[256];
	struct hmac_sha256_ctx hmac;
	int len = snprintf((char *)text, sizeof(text), "%lld %s %lld ", (long long)at_s, cookie,
	        (long long)call->conn->peer.uid);

	memcpy(text + len, call->token.digest, sizeof(call->token.digest));
	len += (int)sizeof(call->token.digest);
	hmac_sha256_set_key(&hmac, sizeof(call->web->secrets->key), call->web->secrets->key);
	hmac_sha256_update(&hmac, (size_t)len, text);
	hmac_sha256_digest(&hmac, sizeof(sum), sum);
	explicit_bzero(&hmac, sizeof(hmac));
	len = snprintf(out, PAGE_NONCE_SIZE, "%lld-", (long long)at_s);
	for (size_t i = 0; i < sizeof(sum); i++)
		snprintf(out + len + 2 * i, 3, "%02x", sum[i]);
}

void page_nonce(struct web_call *call, char out[PAGE_NONCE_SIZE])
{
	char fresh[2 * COOKIE_BYTES + 1];
	const char *cookie = page_cookie(call);

	if (!cookie) {
		page_random_hex(fresh, COOKIE_BYTES);
		cookie = fresh;
		buf_printf(&call->cookie, COOKIE "=%s; HttpOnly; SameSite=Strict%s", cookie,
		        strcmp(call_header(call, "X-Forwarded-Proto"), "https") == 0 ? "; Secure"
		                                                                     : "");
	}
	page_sign(call, cookie, clock_now_ms() / 1000, out);
}

static bool page_nonce_holds(struct web_call *call, const char *nonce)
{
	const char *cookie = page_cookie(call);
	int64_t now_s = clock_now_ms() / 1000, at_s = nonce ? strtoll(nonce, NULL, 10) : 0;
	char expect[PAGE_NONCE_SIZE];

	if (!cookie || !nonce || at_s > now_s || now_s - at_s > NONCE_HOURS * INT64_C(3600))
		return false;
	page_sign(call, cookie, at_s, expect);
	return strlen(nonce) == strlen(expect) && memeql_sec(nonce, expect, strlen(expect));
}

/* Whether the form was sent by a page of the same host (Origin). */
static bool page_origin_is_ours(struct web_call *call)
{
	const char *origin = call_header(call, "Origin"),
	           *site = call_header(call, "Sec-Fetch-Site");
	const char *host = strstr(origin, "://");

	return host && strcasecmp(host + 3, call_header(call, "Host")) == 0 &&
	       (!*site || strcmp(site, "same-origin") == 0);
}

/* ---- reading a form ---- */

/* Decodes %41 and + of a form in place. */
static void page_form_decode(char *text)
{
	char *out = text;

	for (const char *c = text; *c; c++) {
		unsigned byte;

		if (*c == '%' && isxdigit((unsigned char)c[1]) && isxdigit((unsigned char)c[2]) &&
		        sscanf(c + 1, "%2x", &byte) == 1 && byte) {
			*out++ = (char)byte;
			c += 2;
		} else {
			*out++ = *c == '+' ? ' ' : *c;
		}
	}
	*out = '\0';
}

/* The fields as an object owned by the caller; NULL: the form is rejected, and the answer is
 * set. */
static json_t *page_form_read(struct web_call *call)
{
	json_t *fields = json_object();
	char *body = x_strdup(buf_str(&call->body)), *place = NULL;

	for (char *pair = strtok_r(body, "&", &place);
	        pair && json_object_size(fields) < FIELDS_MAX; pair = strtok_r(NULL, "&", &place)) {
		char *value = strchr(pair, '=');

		if (!value)
			continue;
		*value++ = '\0';
		page_form_decode(value);
		json_object_set_new(fields, pair, json_string(value));
	}
	free(body);
	if (page_may_act(call) && page_origin_is_ours(call) &&
	        page_nonce_holds(call, json_string_value(json_object_get(fields, "nonce"))))
		return fields;
	json_decref(fields);
	call_text(call, MHD_HTTP_FORBIDDEN, "text/html; charset=utf-8",
	        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport "
	        "content=\"width=device-width\"><title>out of date</title><p>That page is out of "
	        "date: nothing was done. <a href=\"./\">Load it again</a>.");
	return NULL;
}

/* ---- the forms ---- */

/* Makes a request from the named form fields; those whose name begins with # are numbers. */
static void page_form_run(struct web_call *call, const char *op, const char *const *names)
{
	json_t *fields = page_form_read(call), *request;

	if (!fields)
		return;
	request = json_pack("{s:s}", "op", op);
	for (; *names; names++) {
		bool number = **names == '#';
		const char *name = *names + number;
		const char *value = json_string_value(json_object_get(fields, name));

		if (value && *value)
			json_object_set_new(request, name,
			        number ? json_integer(strtoll(value, NULL, 10))
			               : json_string(value));
	}
	json_decref(fields);
	call_request(call, request);
}

/* POST /ack */
void page_ack_run(struct web_call *call)
{
	static const char *const names[] = {"#entry", "note", NULL};

	page_form_run(call, "ack", names);
}

/* POST /silence */
void page_silence_run(struct web_call *call)
{
	static const char *const names[] = {"what", "duration", "reason", NULL};

	page_form_run(call, "silence", names);
}

/* POST /end: a silence. */
void page_end_run(struct web_call *call)
{
	json_t *fields = page_form_read(call);
	const char *id = json_string_value(json_object_get(fields, "id"));

	if (fields)
		call_end_silence(call, id ? strtoll(id, NULL, 10) : 0);
	json_decref(fields);
}

/* Redirects to the page, which shows the result; reloading that does not repeat the action. */
void page_done(struct web_call *call)
{
	const json_t *answer = json_array_get(call->answers, 0);
	const char *text = json_string_value(json_object_get(answer, "text"));
	struct page_secrets *secrets = call->web->secrets;
	unsigned at = secrets->said_next++ % SAID_MAX;

	if (!text)
		text = json_string_value(json_object_get(answer, "message"));
	page_random_hex(secrets->said[at].name, COOKIE_BYTES);
	free(secrets->said[at].text);
	secrets->said[at].text = x_strdup(text ? text : "");
	call_text(call, MHD_HTTP_SEE_OTHER, "text/plain; charset=utf-8", "");
	buf_printf(&call->location, "./?said=%s", secrets->said[at].name);
}

const char *page_said(struct web_call *call)
{
	const struct page_secrets *secrets = call->web->secrets;
	const char *name = call_query(call, "said");

	for (size_t i = 0; name && i < SAID_MAX; i++)
		if (secrets->said[i].text && strcmp(secrets->said[i].name, name) == 0)
			return secrets->said[i].text;
	return NULL;
}

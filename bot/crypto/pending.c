/*
 * pending.c - the list of requests, and who handles their answers; see crypto.h, pending.h.
 */
#include "bot/crypto/pending.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "bot/base/buf.h"
#include "bot/base/text.h"
#include "bot/crypto/account.h"
#include "bot/crypto/claim.h"
#include "bot/crypto/devices.h"
#include "bot/crypto/identity.h"
#include "bot/crypto/prim.h"
#include "bot/crypto/room_out.h"
#include "bot/crypto/verify.h"

#define PATH_MAX_BYTES 4096
#define ID_FORMAT "%019" PRId64

static enum err request_next_id(struct crypto *crypto, int64_t *id)
{
	AUTO_JSON row = NULL;
	enum err err = keep_get_or_new(crypto, "machine", "next_request", &row);

	if (err != OK)
		return err;
	*id = js_int(row, "n") + 1;
	json_object_set_new(row, "n", json_integer(*id));
	return keep_put(crypto, "machine", "next_request", row);
}

/* Takes over body, context and row, which has the further members to store. */
static enum err request_put(struct crypto *crypto, enum crypto_request_kind kind, json_t *body,
        json_t *context, json_t *row)
{
	AUTO_TEXT text = js_dump(body);
	AUTO_JSON owned = row;
	char key[24];
	int64_t id = 0;
	enum err err = request_next_id(crypto, &id);

	json_object_set_new(row, "kind", json_integer(kind));
	json_object_set_new(row, "body", json_string(text));
	json_object_set_new(row, "context", context ? context : json_object());
	json_decref(body);
	if (err != OK)
		return err;
	snprintf(key, sizeof(key), ID_FORMAT, id);
	return keep_put(crypto, "request", key, row);
}

enum err request_add(struct crypto *crypto, enum crypto_request_kind kind, json_t *body,
        json_t *context, const char *method, const char *path_format, ...)
{
	struct buf path;
	va_list args;
	json_t *row;

	buf_init(&path, PATH_MAX_BYTES);
	va_start(args, path_format);
	for (const char *c = path_format; *c != '\0'; c++) {
		if (c[0] == '%' && c[1] == 's') {
			text_add_uri(&path, va_arg(args, const char *));
			c++;
		} else {
			buf_add_char(&path, *c);
		}
	}
	va_end(args);
	row = json_pack("{s:s, s:s}", "method", method, "path", buf_str(&path));
	buf_finish(&path);
	return request_put(crypto, kind, body, context, row);
}

enum err request_to_device(
        struct crypto *crypto, const char *type, json_t *messages, json_t *context)
{
	uint8_t bytes[12];
	AUTO_TEXT txn = NULL;

	prim_random(bytes, sizeof(bytes));
	txn = prim_base64(bytes, sizeof(bytes), false);
	return request_add(crypto, CRYPTO_TO_DEVICE, json_pack("{s:o}", "messages", messages),
	        context, "PUT", "/v3/sendToDevice/%s/%s", type, txn);
}

enum err request_room_event(struct crypto *crypto, const char *room_id, const char *type,
        json_t *content, json_t *context)
{
	return request_put(crypto, CRYPTO_ROOM_EVENT, content, context,
	        json_pack("{s:s, s:s, s:s}", "method", "PUT", "room_id", room_id, "type", type));
}

enum err request_waits(
        struct crypto *crypto, enum crypto_request_kind kind, const char *member, bool *waits)
{
	struct crypto_item *items;
	size_t len;
	enum err err = keep_list(crypto, "request", "", &items, &len);

	*waits = false;
	for (size_t i = 0; err == OK && !*waits && i < len; i++) {
		AUTO_JSON row = json_loads(items[i].value, 0, NULL);

		*waits = js_int(row, "kind") == (int64_t)kind &&
		         (!member || json_object_get(js_obj(row, "context"), member));
	}
	crypto_items_free(items, len);
	return err;
}

static void request_read(struct crypto_request *request, const struct crypto_item *item)
{
	AUTO_JSON row = json_loads(item->value, 0, NULL);

	request->id = strtoll(item->key, NULL, 10);
	request->kind = (enum crypto_request_kind)js_int(row, "kind");
	request->method = x_strdup_opt(js_str(row, "method"));
	request->path = x_strdup_opt(js_str(row, "path"));
	request->body = x_strdup_opt(js_str(row, "body"));
	request->room_id = x_strdup_opt(js_str(row, "room_id"));
	request->type = x_strdup_opt(js_str(row, "type"));
}

enum err crypto_requests(
        struct crypto *crypto, int64_t now_ms, struct crypto_request **out, size_t *len)
{
	struct crypto_item *items = NULL;
	enum err err;

	*out = NULL;
	*len = 0;
	err = devices_query(crypto, now_ms);
	if (err == OK)
		err = verify_step(crypto, now_ms);
	if (err == OK)
		err = identity_step(crypto, now_ms);
	if (err == OK)
		err = claim_wedged(crypto, now_ms);
	if (err == OK)
		err = late_give(crypto, now_ms);
	if (err == OK)
		err = keep_list(crypto, "request", "", &items, len);
	if (err != OK) {
		*len = 0;
		return err;
	}
	*out = x_calloc(*len + 1, sizeof(**out));
	for (size_t i = 0; i < *len; i++)
		request_read(&(*out)[i], &items[i]);
	crypto_items_free(items, *len);
	return OK;
}

void crypto_requests_free(struct crypto_request *requests, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		free(requests[i].method);
		free(requests[i].path);
		free(requests[i].body);
		free(requests[i].room_id);
		free(requests[i].type);
	}
	free(requests);
}

static enum err request_take_answer(struct crypto *crypto, int64_t now_ms, const json_t *row,
        const json_t *body, struct fault *fault)
{
	const json_t *context = js_obj(row, "context");

	switch ((enum crypto_request_kind)js_int(row, "kind")) {
	case CRYPTO_KEYS_UPLOAD:
		return account_uploaded(crypto, now_ms, body, fault);
	case CRYPTO_KEYS_QUERY:
		return devices_queried(crypto, now_ms, context, body, fault);
	case CRYPTO_KEYS_CLAIM:
		return claim_answered(crypto, now_ms, context, body, fault);
	case CRYPTO_TO_DEVICE:
	case CRYPTO_ROOM_EVENT:
		verify_sent(crypto, now_ms, context, false);
		return OK;
	case CRYPTO_SIGNING_UPLOAD:
		return identity_uploaded(crypto);
	case CRYPTO_SIGNATURES_UPLOAD:
		return identity_signed(crypto, now_ms, context, body);
	case CRYPTO_ACCOUNT_DATA:
		break;
	}
	return OK;
}

static enum err request_take_refusal(
        struct crypto *crypto, int64_t now_ms, const json_t *row, const char *reason)
{
	const json_t *context = js_obj(row, "context");

	switch ((enum crypto_request_kind)js_int(row, "kind")) {
	case CRYPTO_KEYS_UPLOAD:
		return account_refused(crypto, now_ms, reason);
	case CRYPTO_KEYS_QUERY:
		return devices_unanswered(crypto, now_ms, context);
	case CRYPTO_KEYS_CLAIM:
		return claim_refused(crypto, now_ms, context);
	case CRYPTO_TO_DEVICE:
		verify_sent(crypto, now_ms, context, true);
		return room_out_undelivered(crypto, now_ms, context);
	case CRYPTO_SIGNING_UPLOAD:
	case CRYPTO_SIGNATURES_UPLOAD:
		return identity_refused(crypto, now_ms, reason);
	case CRYPTO_ACCOUNT_DATA:
		return notice_add(crypto, "account data",
		        "the homeserver refuses account data for secret storage: %s", reason);
	case CRYPTO_ROOM_EVENT:
		verify_sent(crypto, now_ms, context, true);
		break;
	}
	return OK;
}

enum err crypto_answer(
        struct crypto *crypto, int64_t now_ms, int64_t id, const json_t *body, struct fault *fault)
{
	AUTO_JSON row = NULL;
	char key[24];
	enum err err;

	snprintf(key, sizeof(key), ID_FORMAT, id);
	err = keep_get(crypto, "request", key, &row);
	if (err == ERR_NOT_FOUND)
		return OK;
	if (err == OK && !json_is_object(body))
		err = fault_set(fault, ERR_PROTO, "the answer is not an object");
	if (err == OK)
		err = request_take_answer(crypto, now_ms, row, body, fault);
	return err == OK ? keep_remove(crypto, "request", key) : err;
}

enum err crypto_refused(struct crypto *crypto, int64_t now_ms, int64_t id, const char *reason)
{
	AUTO_JSON row = NULL;
	char key[24];
	enum err err;

	snprintf(key, sizeof(key), ID_FORMAT, id);
	err = keep_get(crypto, "request", key, &row);
	if (err == ERR_NOT_FOUND)
		return OK;
	if (err == OK)
		err = request_take_refusal(crypto, now_ms, row, reason);
	return err == OK ? keep_remove(crypto, "request", key) : err;
}

/*
 * register.c - see register.h.
 */
#include "bot/setup/register.h"

#include <nettle/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/buf.h"
#include "bot/setup/login.h"

#define STAGES_MAX 4
#define SECRET_PATH "/_synapse/admin/v1/register"
#define TOKEN_PATH "/v3/register"
#define BY_TOKEN "m.login.registration_token"
#define BY_NOTHING "m.login.dummy"

static char *register_localpart(const char *user_id)
{
	return x_strndup(user_id + 1, strcspn(user_id + 1, ":"));
}

static enum err register_judge(const struct ask_answer *answer, struct fault *fault)
{
	if (answer->code == OK)
		return OK;
	if (strcmp(answer->errcode, "M_USER_IN_USE") == 0)
		return fault_set(fault, ERR_EXISTS, "the account exists already");
	return fault_set(fault, answer->code, "%s", answer->error);
}

/* ---- Synapse's shared secret ---- */

/* HMAC-SHA1 of nonce, name, password and role, separated by NUL. */
static void register_mac(const char *secret, const char *nonce, const char *name,
        const char *password, char out[2 * SHA1_DIGEST_SIZE + 1])
{
	const char *const parts[] = {nonce, name, password, "notadmin"};
	unsigned char digest[SHA1_DIGEST_SIZE];
	struct hmac_sha1_ctx hmac;
	struct buf text;

	buf_init(&text, 16 * 1024);
	for (size_t i = 0; i < 4; i++)
		buf_add(&text, parts[i], strlen(parts[i]) + (i < 3)); /* including its NUL */
	hmac_sha1_set_key(&hmac, strlen(secret), (const uint8_t *)secret);
	hmac_sha1_update(&hmac, text.len, (const uint8_t *)buf_str(&text));
	hmac_sha1_digest(&hmac, sizeof(digest), digest);
	explicit_bzero(&hmac, sizeof(hmac));
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(out + 2 * i, 3, "%02x", digest[i]);
	explicit_bzero(text.data, text.len);
	buf_finish(&text);
}

static enum err register_by_secret(struct ask *ask, const char *name, const char *password,
        const char *secret, struct fault *fault)
{
	char mac[2 * SHA1_DIGEST_SIZE + 1] = "";
	struct ask_answer answer;
	const char *nonce;
	json_t *body;
	enum err err;

	ask_call(ask, "GET", SECRET_PATH, NULL, &answer);
	nonce = json_string_value(json_object_get(answer.body, "nonce"));
	if (!nonce) {
		bool unknown = answer.code == ERR_NOT_FOUND || answer.code == OK ||
		               strcmp(answer.errcode, "M_UNRECOGNIZED") == 0;

		err = unknown ? fault_set(fault, ERR_UNSUPPORTED,
		                        "%s does not offer registration by a shared secret here "
		                        "(Synapse's admin API is often reachable only from its own "
		                        "machine)",
		                        ask_url(ask))
		              : register_judge(&answer, fault);
		ask_answer_finish(&answer);
		return err;
	}
	register_mac(secret, nonce, name, password, mac);
	body = json_pack("{s:s, s:s, s:s, s:b, s:s, s:b}", "nonce", nonce, "username", name,
	        "password", password, "admin", 0, "mac", mac, "inhibit_login", 1);
	ask_answer_finish(&answer);
	ask_call(ask, "POST", SECRET_PATH, body, &answer);
	login_wipe_member(body, "password");
	json_decref(body);
	err = register_judge(&answer, fault);
	if (err == ERR_DENIED)
		fault_set(fault, err, "the shared secret is wrong");
	login_wipe_member(answer.body, "access_token");
	ask_answer_finish(&answer);
	return err;
}

/* ---- a registration token ---- */

static bool register_lists(const json_t *list, const char *name)
{
	const json_t *item;
	size_t i;

	json_array_foreach((json_t *)list, i, item)
	{
		if (json_is_string(item) && strcmp(json_string_value(item), name) == 0)
			return true;
	}
	return false;
}

/* The next stage of a flow that needs only these two stages; NULL: there is no such flow. */
static const char *register_next_stage(const json_t *answer)
{
	const json_t *done = json_object_get(answer, "completed"), *flow;
	size_t i, j;

	json_array_foreach(json_object_get(answer, "flows"), i, flow)
	{
		const json_t *stages = json_object_get(flow, "stages"), *stage;
		const char *next = NULL;
		bool known = register_lists(stages, BY_TOKEN);

		json_array_foreach((json_t *)stages, j, stage)
		{
			const char *name = json_string_value(stage);

			known = known && name &&
			        (strcmp(name, BY_TOKEN) == 0 || strcmp(name, BY_NOTHING) == 0);
			if (known && !next && !register_lists(done, name))
				next = strcmp(name, BY_TOKEN) == 0 ? BY_TOKEN : BY_NOTHING;
		}
		if (known && next)
			return next;
	}
	return NULL;
}

static json_t *register_auth(const char *stage, const char *token, const json_t *answer)
{
	json_t *auth = json_pack(
	        "{s:s, s:O*}", "type", stage, "session", json_object_get(answer, "session"));

	if (strcmp(stage, BY_TOKEN) == 0)
		json_object_set_new(auth, "token", json_string(token));
	return auth;
}

static enum err register_by_token(struct ask *ask, const char *name, const char *password,
        const char *token, struct fault *fault)
{
	json_t *body = json_pack(
	        "{s:s, s:s, s:b}", "username", name, "password", password, "inhibit_login", 1);
	struct ask_answer answer;
	enum err err = ERR_UNSUPPORTED;

	for (int round = 0; round < STAGES_MAX; round++) {
		const char *stage, *refused;

		ask_call(ask, "POST", TOKEN_PATH, body, &answer);
		stage = register_next_stage(answer.body);
		refused = answer.errcode;
		if (answer.code == OK || !json_object_get(answer.body, "flows")) {
			err = register_judge(&answer, fault);
			break;
		}
		if (*refused) { /* a stage was tried */
			err = fault_set(fault, ERR_DENIED,
			        "the homeserver refused the registration token: %s", answer.error);
			break;
		}
		if (!stage) {
			err = fault_set(fault, ERR_UNSUPPORTED,
			        "the homeserver does not register accounts with a token alone");
			break;
		}
		json_object_set_new(body, "auth", register_auth(stage, token, answer.body));
		ask_answer_finish(&answer);
	}
	login_wipe_member(body, "password");
	login_wipe_member(json_object_get(body, "auth"), "token");
	json_decref(body);
	login_wipe_member(answer.body, "access_token");
	ask_answer_finish(&answer);
	return err;
}

enum err register_account(struct ask *ask, enum register_by by, const char *user_id,
        const char *password, const char *key, struct fault *fault)
{
	char *name = register_localpart(user_id);
	enum err err = by == REGISTER_BY_SECRET
	                       ? register_by_secret(ask, name, password, key, fault)
	                       : register_by_token(ask, name, password, key, fault);

	free(name);
	return err;
}

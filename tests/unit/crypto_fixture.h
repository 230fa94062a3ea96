/*
 * crypto_fixture.h - machines that talk to each other over a simulated homeserver: a store in
 * memory that can be rolled back, lists of devices, one-time keys, to-device events; and a server
 * that can lie. Include after cmocka.h.
 */
#pragma once

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/crypto/crypto.h"

#define SIM_MACHINES 8
#define SIM_START INT64_C(1790000000000)

/* What one machine keeps: {kind: {key: text}}, and what it was when the transaction began. */
struct sim_machine {
	struct sim *sim;
	char user[32], device[32];
	json_t *kept, *before;
	struct crypto *crypto;
	json_t *inbox;   /* to-device events not fetched yet */
	json_t *changed; /* users whose lists changed since */
	bool bootstraps;
	unsigned reads; /* values read from the store so far */
};

struct sim {
	struct sim_machine machines[SIM_MACHINES];
	size_t len;
	json_t *device_keys;          /* {user: {device: keys}} */
	json_t *one_time;             /* {user: {device: {id: key}}} */
	json_t *fallback;             /* {user: {device: {id: key}}} */
	json_t *master, *self, *user; /* {user: key} */
	json_t *room;                 /* events for rooms, as sent */
	int64_t now_ms;
	int claims, queries, withheld, shares;
	/* changes an answer of keys/query or keys/claim before it is given */
	void (*lie)(struct sim *sim, enum crypto_request_kind kind, json_t *answer);
	/* refuses every request of these kinds (bits) with a 4xx */
	unsigned refuses;
};

/* ---- the store ---- */

static inline enum err sim_get(void *arg, const char *kind, const char *key, char **value)
{
	struct sim_machine *m = arg;
	const char *text = json_string_value(json_object_get(json_object_get(m->kept, kind), key));

	m->reads++;
	*value = x_strdup_opt(text);
	return text ? OK : ERR_NOT_FOUND;
}

static inline enum err sim_put(void *arg, const char *kind, const char *key, const char *value)
{
	struct sim_machine *m = arg;
	json_t *keys = json_object_get(m->kept, kind);

	if (!keys) {
		keys = json_object();
		json_object_set_new(m->kept, kind, keys);
	}
	json_object_set_new(keys, key, json_string(value));
	return OK;
}

static inline enum err sim_remove(void *arg, const char *kind, const char *key)
{
	struct sim_machine *m = arg;

	json_object_del(json_object_get(m->kept, kind), key);
	return OK;
}

static inline int sim_by_key(const void *a, const void *b)
{
	return strcmp(((const struct crypto_item *)a)->key, ((const struct crypto_item *)b)->key);
}

static inline enum err sim_list(
        void *arg, const char *kind, const char *prefix, struct crypto_item **items, size_t *len)
{
	struct sim_machine *m = arg;
	json_t *keys = json_object_get(m->kept, kind), *value;
	const char *key;

	*items = x_calloc(json_object_size(keys) + 1, sizeof(**items));
	*len = 0;
	json_object_foreach(keys, key, value)
	{
		if (strncmp(key, prefix, strlen(prefix)) == 0)
			(*items)[(*len)++] = (struct crypto_item){
			        x_strdup(key), x_strdup(json_string_value(value))};
	}
	m->reads += (unsigned)*len;
	qsort(*items, *len, sizeof(**items), sim_by_key);
	return OK;
}

/* ---- machines ---- */

static inline enum err sim_open_with(
        struct sim_machine *m, enum crypto_trust trust, uint8_t key, struct fault *fault)
{
	struct crypto_store store = {sim_get, sim_put, sim_remove, sim_list, m};
	struct crypto_options options = {
	        .user_id = m->user, .device_id = m->device, .trust = trust};

	memset(options.pickle_key, key, sizeof(options.pickle_key));
	return crypto_open(&m->crypto, &store, &options, m->sim->now_ms, fault);
}

static inline void sim_reopen(struct sim_machine *m)
{
	struct fault fault;

	crypto_close(m->crypto);
	assert_int_equal(sim_open_with(m, CRYPTO_TRUST_CROSS_SIGNED, 7, &fault), OK);
}

static inline struct sim *sim_create(void)
{
	struct sim *sim = x_calloc(1, sizeof(*sim));

	sim->device_keys = json_object();
	sim->one_time = json_object();
	sim->fallback = json_object();
	sim->master = json_object();
	sim->self = json_object();
	sim->user = json_object();
	sim->room = json_array();
	sim->now_ms = SIM_START;
	return sim;
}

static inline void sim_destroy(struct sim *sim)
{
	for (size_t i = 0; i < sim->len; i++) {
		crypto_close(sim->machines[i].crypto);
		json_decref(sim->machines[i].kept);
		json_decref(sim->machines[i].before);
		json_decref(sim->machines[i].inbox);
		json_decref(sim->machines[i].changed);
	}
	json_decref(sim->device_keys);
	json_decref(sim->one_time);
	json_decref(sim->fallback);
	json_decref(sim->master);
	json_decref(sim->self);
	json_decref(sim->user);
	json_decref(sim->room);
	free(sim);
}

/* bootstraps: makes cross-signing keys, so that its device is signed. */
static inline struct sim_machine *sim_add(
        struct sim *sim, const char *user, const char *device, bool bootstraps)
{
	struct sim_machine *m = &sim->machines[sim->len++];
	struct fault fault;

	m->sim = sim;
	snprintf(m->user, sizeof(m->user), "%s", user);
	snprintf(m->device, sizeof(m->device), "%.15s", device);
	m->kept = json_object();
	m->inbox = json_array();
	m->changed = json_array();
	m->bootstraps = bootstraps;
	assert_int_equal(sim_open_with(m, CRYPTO_TRUST_CROSS_SIGNED, 7, &fault), OK);
	return m;
}

static inline void sim_begin(struct sim_machine *m)
{
	json_decref(m->before);
	m->before = json_deep_copy(m->kept);
}

static inline void sim_rollback(struct sim_machine *m)
{
	json_decref(m->kept);
	m->kept = json_deep_copy(m->before);
}

/* ---- the homeserver ---- */

static inline json_t *sim_in(json_t *map, const char *key)
{
	json_t *value = json_object_get(map, key);

	if (!value) {
		value = json_object();
		json_object_set_new(map, key, value);
	}
	return value;
}

static inline void sim_changed(struct sim *sim, const char *user)
{
	for (size_t i = 0; i < sim->len; i++)
		json_array_append_new(sim->machines[i].changed, json_string(user));
}

static inline json_t *sim_upload(struct sim_machine *m, json_t *body)
{
	json_t *keys = json_object_get(body, "device_keys");
	json_t *mine = sim_in(sim_in(m->sim->one_time, m->user), m->device);
	json_t *fallback = json_object_get(body, "fallback_keys");

	if (keys) {
		json_object_set(sim_in(m->sim->device_keys, m->user), m->device, keys);
		sim_changed(m->sim, m->user);
	}
	json_object_update(mine, json_object_get(body, "one_time_keys"));
	if (fallback)
		json_object_set(sim_in(m->sim->fallback, m->user), m->device, fallback);
	return json_pack("{s:{s:I}}", "one_time_key_counts", "signed_curve25519",
	        (json_int_t)json_object_size(mine));
}

static inline json_t *sim_query(struct sim *sim, json_t *body)
{
	json_t *answer = json_pack("{s:{}, s:{}, s:{}, s:{}}", "device_keys", "master_keys",
	        "self_signing_keys", "user_signing_keys");
	const char *user;
	json_t *any;

	sim->queries++;
	json_object_foreach(json_object_get(body, "device_keys"), user, any)
	{
		json_object_set_new(json_object_get(answer, "device_keys"), user,
		        json_deep_copy(sim_in(sim->device_keys, user)));
		if (json_object_get(sim->master, user)) {
			json_object_set_new(json_object_get(answer, "master_keys"), user,
			        json_deep_copy(json_object_get(sim->master, user)));
			json_object_set_new(json_object_get(answer, "self_signing_keys"), user,
			        json_deep_copy(json_object_get(sim->self, user)));
		}
	}
	return answer;
}

static inline json_t *sim_claim(struct sim *sim, json_t *body)
{
	json_t *answer = json_pack("{s:{}}", "one_time_keys");
	const char *user, *device;
	json_t *devices, *any;

	sim->claims++;
	json_object_foreach(json_object_get(body, "one_time_keys"), user, devices)
	{
		json_object_foreach(devices, device, any)
		{
			json_t *keys = sim_in(sim_in(sim->one_time, user), device);
			void *first = json_object_iter(keys);
			json_t *given = sim_in(
			        sim_in(json_object_get(answer, "one_time_keys"), user), device);

			if (first) {
				char *id = x_strdup(json_object_iter_key(first));

				json_object_set(given, id, json_object_iter_value(first));
				json_object_del(keys, id);
				free(id);
			} else {
				json_object_update(
				        given, json_object_get(json_object_get(sim->fallback, user),
				                       device));
			}
		}
	}
	return answer;
}

static inline json_t *sim_deliver(struct sim_machine *m, const char *path, json_t *body)
{
	const char *user, *device;
	json_t *devices, *content;
	bool is_withheld = strstr(path, "withheld");
	char type[64];

	sscanf(path, "/v3/sendToDevice/%63[^/]", type);
	json_object_foreach(json_object_get(body, "messages"), user, devices)
	{
		json_object_foreach(devices, device, content)
		{
			m->sim->withheld += is_withheld;
			m->sim->shares += strcmp(type, "m.room.encrypted") == 0;
			for (size_t i = 0; i < m->sim->len; i++) {
				struct sim_machine *to = &m->sim->machines[i];

				if (strcmp(to->user, user) == 0 &&
				        (strcmp(device, "*") == 0 ||
				                strcmp(to->device, device) == 0))
					json_array_append_new(to->inbox,
					        json_pack("{s:s, s:s, s:O}", "type", type, "sender",
					                m->user, "content", content));
			}
		}
	}
	return json_object();
}

/* Adds the signatures on one key object to those of what is there. */
static inline void sim_merge(struct sim *sim, const char *user, const char *key, json_t *object)
{
	json_t *master = json_object_get(sim->master, user);
	json_t *device = json_object_get(json_object_get(sim->device_keys, user), key);
	json_t *there = device ? device : master, *signatures;
	const char *signer;

	if (!device && (!master || !json_object_iter(json_object_get(master, "keys")) ||
	                       strcmp(json_string_value(json_object_iter_value(
	                                      json_object_iter(json_object_get(master, "keys")))),
	                               key) != 0))
		return;
	json_object_foreach(json_object_get(object, "signatures"), signer, signatures)
	{
		json_object_update(sim_in(sim_in(there, "signatures"), signer), signatures);
	}
	sim_changed(sim, user);
}

static inline json_t *sim_signatures(struct sim_machine *m, json_t *body)
{
	json_t *mine = json_object_get(json_object_get(body, m->user), m->device);
	const char *user, *key;
	json_t *objects, *object;

	json_object_foreach(body, user, objects)
	{
		json_object_foreach(objects, key, object)
		{
			if (object != mine)
				sim_merge(m->sim, user, key, object);
		}
	}

	if (mine) {
		json_object_set(sim_in(m->sim->device_keys, m->user), m->device, mine);
		sim_changed(m->sim, m->user);
	}
	return json_pack("{s:{}}", "failures");
}

static inline json_t *sim_signing(struct sim_machine *m, json_t *body)
{
	json_object_set(m->sim->master, m->user, json_object_get(body, "master_key"));
	json_object_set(m->sim->self, m->user, json_object_get(body, "self_signing_key"));
	json_object_set(m->sim->user, m->user, json_object_get(body, "user_signing_key"));
	sim_changed(m->sim, m->user);
	return json_object();
}

static inline json_t *sim_serve(struct sim_machine *m, const struct crypto_request *request)
{
	json_t *body = json_loads(request->body, 0, NULL), *answer = NULL;

	assert_non_null(body);
	switch (request->kind) {
	case CRYPTO_KEYS_UPLOAD:
		answer = sim_upload(m, body);
		break;
	case CRYPTO_KEYS_QUERY:
		answer = sim_query(m->sim, body);
		break;
	case CRYPTO_KEYS_CLAIM:
		answer = sim_claim(m->sim, body);
		break;
	case CRYPTO_TO_DEVICE:
		answer = sim_deliver(m, request->path, body);
		break;
	case CRYPTO_SIGNING_UPLOAD:
		answer = sim_signing(m, body);
		break;
	case CRYPTO_SIGNATURES_UPLOAD:
		answer = sim_signatures(m, body);
		break;
	case CRYPTO_ROOM_EVENT:
		json_array_append_new(
		        m->sim->room, json_pack("{s:s, s:s, s:s, s:O}", "event_id", "$sent", "type",
		                              !request->path                  ? request->type
		                              : strstr(request->path, ".enc") ? "m.room.encrypted"
		                                                              : "in the clear",
		                              "sender", m->user, "content", body));
		answer = json_object();
		break;
	case CRYPTO_ACCOUNT_DATA:
		answer = json_object();
		break;
	}
	if (m->sim->lie)
		m->sim->lie(m->sim, request->kind, answer);
	json_decref(body);
	return answer;
}

/* Serves what the machine asks for until it asks for nothing. */
static inline void sim_run(struct sim_machine *m)
{
	for (int i = 0; i < 20; i++) {
		struct crypto_status status;
		struct crypto_request *requests;
		struct fault fault;
		size_t len;

		assert_int_equal(crypto_status(m->crypto, &status), OK);
		if (status.identity == CRYPTO_IDENTITY_NONE && m->bootstraps)
			assert_int_equal(
			        crypto_bootstrap(m->crypto, m->sim->now_ms, false, &fault), OK);
		crypto_status_finish(&status);
		assert_int_equal(crypto_requests(m->crypto, m->sim->now_ms, &requests, &len), OK);
		for (size_t r = 0; r < len; r++) {
			json_t *answer;

			if (m->sim->refuses & 1U << requests[r].kind) {
				assert_int_equal(crypto_refused(m->crypto, m->sim->now_ms,
				                         requests[r].id, "M_FORBIDDEN"),
				        OK);
				continue;
			}
			answer = sim_serve(m, &requests[r]);
			assert_int_equal(crypto_answer(m->crypto, m->sim->now_ms, requests[r].id,
			                         answer, &fault),
			        OK);
			json_decref(answer);
		}
		crypto_requests_free(requests, len);
		if (len == 0)
			return;
	}
	fail_msg("%s %s asks without end", m->user, m->device);
}

/* One /sync of a machine. True: room keys came. */
static inline bool sim_sync(struct sim_machine *m)
{
	json_t *mine = sim_in(sim_in(m->sim->one_time, m->user), m->device);
	json_t *sync = json_pack("{s:{s:O}, s:{s:O, s:[]}, s:{s:I}, s:[s]}", "to_device", "events",
	        m->inbox, "device_lists", "changed", m->changed, "left",
	        "device_one_time_keys_count", "signed_curve25519",
	        (json_int_t)json_object_size(mine), "device_unused_fallback_key_types",
	        "signed_curve25519");
	bool new_keys;

	assert_int_equal(crypto_take_sync(m->crypto, m->sim->now_ms, sync, &new_keys), OK);
	json_decref(sync);
	json_array_clear(m->inbox);
	json_array_clear(m->changed);
	return new_keys;
}

/* All machines sync and ask until nothing moves. */
static inline void sim_settle(struct sim *sim)
{
	for (int round = 0; round < 3; round++)
		for (size_t i = 0; i < sim->len; i++) {
			sim_sync(&sim->machines[i]);
			sim_run(&sim->machines[i]);
		}
}

/* ---- a room ---- */

/* The event as the homeserver gives it to others; NULL when the room waits for ever. */
static inline json_t *sim_send(struct sim_machine *m, const char *room_id, const char *const *users,
        size_t users_len, int64_t rotation_msgs, const json_t *content)
{
	static int count;
	struct crypto_room room = {.room_id = room_id,
	        .users = users,
	        .users_len = users_len,
	        .rotation_msgs = rotation_msgs};
	enum crypto_ready ready = CRYPTO_WAIT;
	char *wire, event_id[32];
	json_t *event;

	for (int i = 0; i < 10 && ready == CRYPTO_WAIT; i++) {
		assert_int_equal(crypto_room_ready(m->crypto, m->sim->now_ms, &room, &ready), OK);
		if (ready == CRYPTO_WAIT && i == 2)
			sim_sync(m); /* after a restart it waits for that */
		if (ready == CRYPTO_WAIT)
			sim_run(m);
	}
	if (ready == CRYPTO_WAIT)
		return NULL;
	assert_int_equal(crypto_room_encrypt(m->crypto, m->sim->now_ms, room_id, "m.room.message",
	                         content, &wire),
	        OK);
	snprintf(event_id, sizeof(event_id), "$e%d", count++);
	event = json_pack("{s:s, s:s, s:s, s:o}", "type", "m.room.encrypted", "sender", m->user,
	        "event_id", event_id, "content", json_loads(wire, 0, NULL));
	free(wire);
	return event;
}

/* "body", or the error's name. Static storage. */
static inline const char *sim_read(
        struct sim_machine *m, const char *room_id, const json_t *event, bool *obey)
{
	static char text[256];
	struct crypto_event out;
	struct fault fault = {0};
	enum err code =
	        crypto_decrypt(m->crypto, m->sim->now_ms, room_id, event, false, &out, &fault);

	if (code != OK)
		return err_name(code);
	snprintf(text, sizeof(text), "%s", json_string_value(json_object_get(out.content, "body")));
	if (obey)
		*obey = out.obey;
	crypto_event_finish(&out);
	return text;
}

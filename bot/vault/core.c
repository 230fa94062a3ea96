/*
 * core.c - the parts of the vault that run inside writer jobs: the machine's store, opening it,
 * looks, and encryption for delivery. See vault_internal.h.
 */
#include <stdio.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/log.h"
#include "bot/vault/vault_internal.h"
#include "storage/keys.h"
#include "storage/known_rooms.h"

/* to-device events that came while the keys could not be opened */
#define KEPT_KIND "kept"
#define KEPT_KEY "to_device"
#define KEPT_MAX 1000
#define KEPT_BYTES_MAX (1024 * 1024)

/* ---- the machine's store ---- */

static enum err store_get(void *arg, const char *kind, const char *key, char **value)
{
	struct vault_core *core = arg;

	return keys_get(core->store, kind, key, value);
}

static enum err store_put(void *arg, const char *kind, const char *key, const char *value)
{
	struct vault_core *core = arg;

	return keys_put(core->store, kind, key, value);
}

static enum err store_remove(void *arg, const char *kind, const char *key)
{
	struct vault_core *core = arg;

	return keys_remove(core->store, kind, key);
}

struct item_list {
	struct crypto_item *items;
	size_t len, size;
};

static void core_take_item(char *key, char *value, void *arg)
{
	struct item_list *list = arg;

	if (list->len == list->size) {
		list->size = list->size ? list->size * 2 : 16;
		list->items = x_realloc(list->items, list->size * sizeof(*list->items));
	}
	list->items[list->len++] = (struct crypto_item){key, value};
}

static enum err store_list(
        void *arg, const char *kind, const char *prefix, struct crypto_item **items, size_t *len)
{
	struct vault_core *core = arg;
	struct item_list list = {0};
	enum err err = keys_list(core->store, kind, prefix, core_take_item, &list);

	if (err != OK) {
		crypto_items_free(list.items, list.len);
		list = (struct item_list){0};
	}
	*items = list.items;
	*len = list.len;
	return err;
}

/* ---- opening ---- */

enum err core_open(struct vault_core *core, struct store *store,
        const struct crypto_options *options, bool new_device, char fingerprint[64],
        struct fault *fault)
{
	struct crypto_store keep = {store_get, store_put, store_remove, store_list, core};
	enum err err = OK;

	core->store = store;
	core->has_kept = true; /* looked up with the next /sync answer */
	core->status_changes = UINT64_MAX;
	if (new_device)
		err = crypto_forget_device(&keep, options);
	if (err == OK)
		err = crypto_open(&core->machine, &keep, options, clock_now_ms(), fault);
	if (err == OK)
		snprintf(fingerprint, 64, "%s", crypto_fingerprint(core->machine));
	return err;
}

enum err core_has_keys(struct store *store, bool *has)
{
	struct vault_core core = {.store = store};
	struct crypto_store keep = {store_get, store_put, store_remove, store_list, &core};

	return crypto_is_stored(&keep, has);
}

enum err core_key_opens(struct store *store, const uint8_t key[CRYPTO_PICKLE_KEY_LEN])
{
	struct vault_core core = {.store = store};
	struct crypto_store keep = {store_get, store_put, store_remove, store_list, &core};

	return crypto_key_opens(&keep, key);
}

void core_close(struct vault_core *core)
{
	crypto_close(core->machine);
	core->machine = NULL;
}

struct crypto *core_machine(struct vault_core *core)
{
	return core->machine;
}

/* ---- looks ---- */

static enum err core_bootstrap(struct vault_core *core, struct core_look *look)
{
	struct fault fault = {0};
	enum err err = crypto_bootstrap(core->machine, clock_now_ms(), false, &fault);

	if (err != OK) {
		log_error("vault", "cannot create cross-signing keys: %s", fault.text);
		return err;
	}
	log_info("vault", "created cross-signing keys for the account");
	crypto_status_finish(&look->status);
	return crypto_status(core->machine, &look->status);
}

static enum err core_look_at_readers(struct vault_core *core, struct core_look *look)
{
	int64_t epoch = 0;
	enum err err = crypto_epoch(core->machine, &epoch);

	if (err != OK || (!look->readers_due && epoch == core->readers_epoch))
		return err;
	look->readers = json_object();
	for (size_t i = 0; err == OK && i < look->rooms_len; i++) {
		const struct member_list *list = look->rooms[i].list;
		json_t *readers = NULL;

		err = crypto_readers(core->machine, clock_now_ms(),
		        (const char *const *)list->users, list->joined, &readers);
		json_object_set_new(look->readers, look->rooms[i].room_id, readers);
	}
	core->readers_epoch = epoch;
	return err;
}

/* Reads only what may have changed, since this runs after each event that is sent. */
static enum err core_look_at_status(struct vault_core *core, struct core_look *look)
{
	uint64_t changes = crypto_status_changes(core->machine);
	enum err err;

	if (!look->status_due && changes == core->status_changes)
		return OK;
	err = crypto_status(core->machine, &look->status);
	if (err == OK && look->status.identity == CRYPTO_IDENTITY_NONE)
		err = core_bootstrap(core, look);
	if (err != OK)
		return err;
	look->has_status = true;
	core->status_changes = changes; /* what core_bootstrap() changes is read at the next look */
	core->identity = look->status.identity;
	return OK;
}

enum err core_look(struct vault_core *core, struct core_look *look)
{
	enum err err = core_look_at_status(core, look);

	if (err == OK)
		err = crypto_requests(
		        core->machine, clock_now_ms(), &look->requests, &look->requests_len);
	if (err == OK)
		err = crypto_verifications(core->machine, &look->verifications);
	if (err == OK)
		err = core_look_at_readers(core, look);
	core->good = err == OK && core->identity == CRYPTO_IDENTITY_GOOD;
	return err;
}

void core_look_finish(struct core_look *look)
{
	crypto_status_finish(&look->status);
	json_decref(look->verifications);
	json_decref(look->readers);
	crypto_requests_free(look->requests, look->requests_len);
	memset(look, 0, sizeof(*look));
}

/* ---- /sync ---- */

/*
 * While the stored keys cannot be opened, /sync goes on for the rooms that are not encrypted, and
 * the homeserver deletes the to-device events that it has told. They are kept for the machine.
 */

static json_t *core_to_device(const json_t *sync)
{
	return json_object_get(json_object_get(sync, "to_device"), "events");
}

/* The events kept so far; an empty array if there are none. A new reference. */
static enum err core_kept(struct store *store, json_t **events)
{
	char *text = NULL;
	enum err err = keys_get(store, KEPT_KIND, KEPT_KEY, &text);

	*events = text ? json_loads(text, 0, NULL) : NULL;
	if (!json_is_array(*events)) {
		json_decref(*events);
		*events = json_array();
	}
	free(text);
	return err == ERR_NOT_FOUND ? OK : err;
}

static enum err core_keep(struct store *store, json_t *told)
{
	json_t *events, *event;
	char *text;
	size_t i;
	enum err err = core_kept(store, &events);

	json_array_foreach(told, i, event)
	{
		if (json_array_size(events) < KEPT_MAX)
			json_array_append(events, event);
	}
	text = json_dumps(events, JSON_COMPACT);
	if (err == OK && strlen(text) <= KEPT_BYTES_MAX)
		err = keys_put(store, KEPT_KIND, KEPT_KEY, text);
	free(text);
	json_decref(events);
	return err;
}

/* The answer with the kept events before its own; a new reference. */
static enum err core_add_kept(struct vault_core *core, const json_t *sync, json_t **whole)
{
	json_t *events;
	enum err err = core_kept(core->store, &events);

	*whole = json_copy((json_t *)sync);
	json_array_extend(events, core_to_device(sync));
	json_object_set_new(*whole, "to_device", json_pack("{s:o}", "events", events));
	return err == OK ? keys_remove(core->store, KEPT_KIND, KEPT_KEY) : err;
}

enum err core_take_sync(struct vault_core *core, struct store *store, int64_t now_ms,
        const json_t *sync, bool first, bool *new_keys)
{
	json_t *whole = NULL;
	enum err err = OK;

	*new_keys = false;
	if (!core->machine)
		return json_array_size(core_to_device(sync)) > 0
		               ? core_keep(store, core_to_device(sync))
		               : OK;
	if (first)
		err = crypto_lists_missed(core->machine);
	if (err == OK && core->has_kept)
		err = core_add_kept(core, sync, &whole);
	if (err == OK)
		err = crypto_take_sync(core->machine, now_ms, whole ? whole : sync, new_keys);
	core->has_kept = core->has_kept && err != OK;
	json_decref(whole);
	return err;
}

/* ---- delivering ---- */

/* Reads the room's settings as stored when its encryption was first seen; later changes by the
 * server are ignored. */
static enum err core_room_settings(struct vault_core *core, struct crypto_room *room)
{
	struct room_row row = {0};
	enum err err = rooms_by_room_id(core->store, room->room_id, &row);
	json_t *settings = err == OK && row.encryption ? json_loads(row.encryption, 0, NULL) : NULL;

	room->rotation_ms = json_integer_value(json_object_get(settings, "rotation_period_ms"));
	room->rotation_msgs = json_integer_value(json_object_get(settings, "rotation_period_msgs"));
	json_decref(settings);
	room_row_finish(&row);
	return err == ERR_NOT_FOUND ? OK : err;
}

static enum err cipher_ready(
        void *arg, const struct deliver_room *room, int64_t now_ms, bool *ready)
{
	struct vault_core *core = arg;
	struct crypto_room shared = {
	        .room_id = room->room_id, .users = room->users, .users_len = room->users_len};
	enum crypto_ready state = CRYPTO_WAIT;
	enum err err;

	*ready = false;
	if (!core->machine || !core->good || !core->marked)
		return OK;
	err = core_room_settings(core, &shared);
	if (err == OK)
		err = crypto_room_ready(core->machine, now_ms, &shared, &state);
	*ready = state == CRYPTO_READY;
	return err;
}

static enum err cipher_encrypt(void *arg, const struct deliver_room *room, int64_t now_ms,
        const char *type, const char *content, char **wire)
{
	struct vault_core *core = arg;
	json_t *object = json_loads(content, 0, NULL);
	enum err err = object ? crypto_room_encrypt(
	                                core->machine, now_ms, room->room_id, type, object, wire)
	                      : ERR_CORRUPT;

	json_decref(object);
	return err;
}

const struct deliver_cipher core_cipher = {.ready = cipher_ready, .encrypt = cipher_encrypt};

/*
 * vault.h - the daemon's side of encryption: drives the machine of bot/crypto/crypto.h.
 *
 * The machine itself is used only inside writer jobs, one at a time, in the job's transaction;
 * jobs reach it by `struct vault_core`. The rest runs on the loop: reading the pickle key, sending
 * the machine's requests, passing the answers back, and reporting problems to the operator.
 *
 * Happy path: vault_set_online() reads the pickle key (on libuv's pool; created with mode 0600
 * beside the database when none is configured), opens the machine and calls on_settled(). Then the
 * device keys are uploaded and the account's own keys are queried; if it has no cross-signing keys,
 * they are created, and the device is signed by them. From then on encrypted rooms get messages.
 * Failures: with a wrong pickle key, or while the device is not cross-signed, only encrypted rooms
 * are on hold; vault_problem() says what to do, and it is retried. What /sync tells of encryption
 * meanwhile is kept.
 *
 * A look costs what crypto_requests() does; after a change of a device list, or of the members of a
 * room, also a read for each member of each encrypted room, to know who can read.
 */
#pragma once

#include <uv.h>
#include "bot/config/config.h"
#include "bot/crypto/crypto.h"
#include "bot/matrix/client.h"
#include "bot/matrix/members.h"
#include "bot/matrix/rooms.h"
#include "bot/loop/writer.h"
#include "handlers/alerts/deliver.h"

struct vault;
struct vault_core;

struct vault_events {
	/* /sync answers can be processed: the machine is open, or cannot be opened for now, so that
	 * rooms without encryption need not wait for it. Called once. */
	void (*on_settled)(void *arg);
	/* Something changed, so encrypted rooms that waited may be tried again. */
	void (*on_change)(void *arg);
	/* The members of a room, NULL while they are not known. Borrowed. */
	struct member_list *(*members)(const char *room_id, void *arg);
	void *arg;
};

/* writer is borrowed; the config is referenced. */
struct vault *vault_create(uv_loop_t *loop, struct writer *writer, struct config *config,
        const struct vault_events *events);
void vault_configure(struct vault *vault, struct config *config);
/* The client is logged in as this device. new_device: the operator allowed to replace the stored
 * device by this one. */
void vault_set_online(struct vault *vault, struct mx *mx, const struct rooms *rooms,
        const char *user_id, const char *device_id, bool new_device);
void vault_set_offline(struct vault *vault);
/* Call when jobs used the machine: takes a look and sends its new requests. */
void vault_pump(struct vault *vault);
/* The same within about a second, once for all calls until then. */
void vault_pump_soon(struct vault *vault);
/* Call when the first answer of /sync is stored: the one, or where no room is encrypted, the
 * other, since the messages that waited for this start go first. */
void vault_pump_at_start(struct vault *vault);
/* The same, and calls on_change() a second later, because a room waits for keys only a limited
 * time. */
void vault_room_waits(struct vault *vault);

/* For status: why encrypted rooms are on hold, "" = they are not. */
const char *vault_problem(const struct vault *vault);
/* The state of our device: "signed", "not cross-signed by this account", … */
const char *vault_identity(const struct vault *vault);
/* This device's fingerprint, "" before the machine is open. */
const char *vault_fingerprint(const struct vault *vault);
/* Refusals and problems, array of strings; borrowed, never NULL. */
const json_t *vault_notices(const struct vault *vault);
/* Users whose identity was verified, array of strings; borrowed, never NULL. */
const json_t *vault_verified(const struct vault *vault);
/* crypto_verifications() as of the last look; borrowed, never NULL. */
const json_t *vault_verifications(const struct vault *vault);
/* crypto_readers() for the joined members of encrypted rooms as of the last look, {room id: …};
 * borrowed, never NULL. */
const json_t *vault_readers(const struct vault *vault);
/* Call when the members of a room changed. */
void vault_members_changed(struct vault *vault);

/* Borrowed by jobs; valid as long as the vault. */
struct vault_core *vault_core(struct vault *vault);
const struct deliver_cipher *vault_cipher(struct vault *vault);

/* No other module's job may use the core after this. Calls closed(arg) once and frees. */
void vault_close(struct vault *vault, void (*closed)(void *arg), void *arg);

/* ---- inside writer jobs ---- */

/* The machine; NULL before it is open. */
struct crypto *core_machine(struct vault_core *core);
/* Processes the parts of a /sync answer that concern encryption; before the machine is open, keeps
 * them for it. first: it had no `since`, so changes of any device list may have been missed. */
enum err core_take_sync(struct vault_core *core, struct store *store, int64_t now_ms,
        const json_t *sync, bool first, bool *new_keys);

/*
 * vault.h - the daemon's side of encryption: drives the machine of bot/crypto/crypto.h.
 *
 * The machine itself lives on the writer's side: it is opened, asked and fed only inside writer
 * jobs, one at a time, in the transaction of whatever the job does. `struct vault_core` is what
 * jobs get to see of it. The loop's part is the rest: reading the pickle key, sending the
 * machine's requests, feeding answers back, and what a person must be told.
 *
 * Happy path: vault_set_online() reads the pickle key (on the pool; made 0600 beside the
 * database when none is configured) and opens the machine; on_open(); device keys go up, the
 * account's own keys are asked for; without cross-signing keys some are made and the device is
 * signed by them. From then on encrypted rooms are written to.
 * Failures: a pickle key that does not fit, or a device that is not cross-signed, holds up
 * encrypted rooms alone; vault_problem() says what to do, and it is tried again.
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
	/* The machine is open: /sync answers may be taken in. Once. */
	void (*on_open)(void *arg);
	/* Something was learnt: encrypted rooms that waited may be tried again. */
	void (*on_change)(void *arg);
	/* The members of a room, NULL while they are not known. Borrowed. */
	struct member_list *(*members)(const char *room_id, void *arg);
	void *arg;
};

/* writer is borrowed; the config is referenced. */
struct vault *vault_create(uv_loop_t *loop, struct writer *writer, struct config *config,
        const struct vault_events *events);
void vault_configure(struct vault *vault, struct config *config);
/* new_device: the stored device is given up for this one, on the operator's word. */
void vault_set_online(struct vault *vault, struct mx *mx, const struct rooms *rooms,
        const char *user_id, const char *device_id, bool new_device);
void vault_set_offline(struct vault *vault);
/* Sends what jobs have asked the machine for. */
void vault_pump(struct vault *vault);
/* The same within a second or so, once for all that asks until then. */
void vault_pump_soon(struct vault *vault);
/* The same, and on_change() a second later: a room waits for keys, though not for ever. */
void vault_room_waits(struct vault *vault);

/* For status: why encrypted rooms are not written to, "" = they are. */
const char *vault_problem(const struct vault *vault);
/* How our device stands: "signed", "not cross-signed by this account", … */
const char *vault_identity(const struct vault *vault);
/* This device's fingerprint, "" before the machine is open. */
const char *vault_fingerprint(const struct vault *vault);
/* What was refused or went wrong, array of strings; borrowed, never NULL. */
const json_t *vault_notices(const struct vault *vault);
/* Users whose identity was verified, array of strings; likewise. */
const json_t *vault_verified(const struct vault *vault);
/* As of the last look, see crypto_verifications(); likewise. */
const json_t *vault_verifications(const struct vault *vault);
/* The same of crypto_readers() for the joined members of encrypted rooms, {room id: …}; likewise.
 */
const json_t *vault_readers(const struct vault *vault);
/* The members of a room are known anew. */
void vault_members_changed(struct vault *vault);

/* Borrowed by jobs; live as long as the vault. */
struct vault_core *vault_core(struct vault *vault);
const struct deliver_cipher *vault_cipher(struct vault *vault);

/* No more jobs of others may use the core after this. Calls closed(arg) once and frees. */
void vault_close(struct vault *vault, void (*closed)(void *arg), void *arg);

/* ---- inside writer jobs ---- */

/* NULL before it is open. */
struct crypto *core_machine(struct vault_core *core);
/* The part of a /sync answer that concerns encryption. first: it has no `since`, so that any
 * list of devices may have changed unseen. */
enum err core_take_sync(
        struct vault_core *core, int64_t now_ms, const json_t *sync, bool first, bool *new_keys);

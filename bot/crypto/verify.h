/*
 * verify.h - verifications in progress (client-server API, "Key verification framework"). Inside
 * bot/crypto/ only; the public functions are in crypto.h.
 *
 * Happy path: REQUESTED (their request arrived; a person here must accept it) → READY (we sent
 * m.key.verification.ready; either side sends the start, we after a few seconds) → STARTED (accept
 * and keys are exchanged) → COMPARE (a person here must say whether the emoji match) → CONFIRMED
 * (waiting for their MAC) → DONE (their identity is stored as verified and signed).
 * Failures: an unexpected event or the ten-minute time-out ends the verification with one cancel
 * event to the other side. An ended verification is kept for a while, so that whoever waits for the
 * result can see it.
 *
 * All this is kept in memory only and ends with the process; the other side is then told that its
 * transaction is unknown. Events are sent one after the other, each when the homeserver has
 * accepted the previous one: verify_step() queues a request for the first in the queue. A
 * rolled-back transaction loses only that request, which is queued again; duplicate events are
 * ignored.
 *
 * verify.c keeps the list and handles what is common to all methods; verify_sas.c implements
 * m.sas.v1; verify_room.c sends events to rooms that have no delivery queue for them.
 */
#pragma once

#include <sys/queue.h>
#include "bot/crypto/machine.h"
#include "bot/crypto/sas.h"

#define VERIFY_METHOD "m.sas.v1"
#define VERIFY_PREFIX "m.key.verification."

enum verify_state {
	VERIFY_REQUESTED,
	VERIFY_READY,
	VERIFY_STARTED,
	VERIFY_COMPARE,
	VERIFY_CONFIRMED,
	VERIFY_DONE,
	VERIFY_CANCELLED,
};

struct verify {
	TAILQ_ENTRY(verify) link; /* crypto::verifications */
	char *id;                 /* of the transaction, or of the event that requested it */
	char *user_id, *device_id;
	char *room_id;  /* NULL = by to-device events */
	bool encrypted; /* the room */
	bool direct;    /* events do not go through the room's delivery queue */
	struct OlmOutboundGroupSession *session; /* for their device alone, or NULL */
	bool shared;                             /* its key was sent */
	enum verify_state state;
	int64_t since_ms, until_ms; /* until_ms: the time-out; once ended, when it is deleted */
	int64_t start_ms;           /* READY: when we send the start, 0 = not yet known */
	json_t *out;                /* queue [{type, content}]; the first may be in flight */
	bool stranger;              /* shared no room with us when the request came */
	char *code, *reason;        /* why it was cancelled */
	bool by_them;               /* the other side cancelled */
	/* m.sas.v1 */
	bool we_started;
	json_t *start; /* content of the start event that counts, or NULL */
	char *commitment;
	bool old_mac; /* hkdf-hmac-sha256 was agreed on, for older clients */
	struct OlmSAS *sas;
	char our_key[OL_KEY_SIZE], their_key[OL_KEY_SIZE]; /* "" = not yet */
	uint8_t bytes[SAS_BYTES];                          /* what is compared */
	json_t *mac; /* content of their m.key.verification.mac, or NULL */
};

/* An event of the framework, its content an object. room_id and event_id: NULL for to-device. */
struct verify_event {
	const char *sender, *type, *room_id, *event_id;
	const char *device_id;  /* proven to have sent it, or NULL */
	bool encrypted, direct; /* the room, as in struct verify */
	int64_t sent_ms;        /* 0 = the content has the time */
	const json_t *content;
};

enum err verify_take(struct crypto *crypto, int64_t now_ms, const struct verify_event *event);
/* Handles what is due: time-outs, our start, and the next event of each verification. */
enum err verify_step(struct crypto *crypto, int64_t now_ms);
/* Call when a request that carried an event ended; context is the request's. */
void verify_sent(struct crypto *crypto, int64_t now_ms, const json_t *context, bool refused);
void verify_finish(struct crypto *crypto);

/* ---- for verify.c and verify_sas.c ---- */

/* Whether its events cannot go through the room's delivery queue. */
enum err verify_room_is_direct(struct crypto *crypto, const struct verify *v, bool *direct);
/* Queues the next request for the event {type, content}; the session's key goes first if the other
 * device lacks it. */
enum err verify_room_send(struct crypto *crypto, struct verify *v, int64_t now_ms,
        const json_t *event, const json_t *context);

/* Puts an event into the queue; content is taken, its id is added. */
void verify_say(struct verify *v, const char *type, json_t *content);
/* Cancels the verification and informs the other side. code: as in m.key.verification.cancel;
 * reason: for people. */
void verify_cancel(struct verify *v, int64_t now_ms, const char *code, const char *reason);
void verify_end(struct verify *v, int64_t now_ms, enum verify_state state);

void verify_sas_start(struct crypto *crypto, struct verify *v);
void verify_sas_take_start(
        struct crypto *crypto, struct verify *v, int64_t now_ms, const json_t *content);
void verify_sas_take_accept(struct verify *v, int64_t now_ms, const json_t *content);
void verify_sas_take_key(
        struct crypto *crypto, struct verify *v, int64_t now_ms, const json_t *content);
enum err verify_sas_take_mac(
        struct crypto *crypto, struct verify *v, int64_t now_ms, const json_t *content);
/* A person says that the emoji match. */
enum err verify_sas_confirm(struct crypto *crypto, struct verify *v, int64_t now_ms);

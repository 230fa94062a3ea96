/*
 * verify.h - verifications under way (client-server API, "Key verification framework"). Inside
 * bot/crypto/ only; what others call is in crypto.h.
 *
 * Happy path: REQUESTED (theirs came; a person here must accept it) → READY (we said so; either
 * side sends the start, we after a few seconds) → STARTED (accept and keys are exchanged) →
 * COMPARE (a person here must say whether the emoji match) → CONFIRMED (their proof is awaited)
 * → DONE (their identity is stored as verified and signed).
 * Failures: whatever does not fit ends it with a cancel to the other side, once; so do ten
 * minutes. An end is kept for a while, so that whoever waits for it can see it.
 *
 * All this is in memory alone and ends with the process; the other side then hears that its
 * transaction is not known here. Events go out one after the other, each when the one before was
 * taken by the homeserver: verify_step() makes a request of the first that waits. A transaction
 * that is rolled back costs no more than that request, which is made again; events that come a
 * second time are ignored.
 *
 * verify.c keeps the list and what concerns any method; verify_sas.c is m.sas.v1; verify_room.c
 * brings events to rooms that are not in the config.
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
	char *id;                 /* of the transaction, or of the event that asked for it */
	char *user_id, *device_id;
	char *room_id;  /* NULL = by to-device events */
	bool encrypted; /* the room */
	bool direct;    /* it is not in the config: events go there by themselves */
	struct OlmOutboundGroupSession *session; /* of theirs alone (verify_room.c), or NULL */
	bool shared;                             /* its key was sent */
	enum verify_state state;
	int64_t since_ms, until_ms; /* of the time-out; of an end: when it is forgotten */
	int64_t start_ms;           /* READY: when we send the start, 0 = not yet known */
	json_t *out;                /* [{type, content}], the first is under way */
	bool stranger;              /* shared no room with us when it came */
	char *code, *reason;        /* why it was cancelled */
	bool by_them;               /* who cancelled */
	/* m.sas.v1 */
	bool we_started;
	json_t *start; /* content that counts, or NULL */
	char *commitment;
	bool old_mac; /* agreed on what older clients know alone */
	struct OlmSAS *sas;
	char our_key[OL_KEY_SIZE], their_key[OL_KEY_SIZE]; /* "" = not yet */
	uint8_t bytes[SAS_BYTES];                          /* what is compared */
	json_t *mac;                                       /* their proof, or NULL */
};

/* An event of the framework, its content an object. room_id and event_id: NULL for to-device. */
struct verify_event {
	const char *sender, *type, *room_id, *event_id;
	const char *device_id;  /* known to have sent it, or NULL */
	bool encrypted, direct; /* the room, as in struct verify */
	int64_t sent_ms;        /* 0 = the content says */
	const json_t *content;
};

enum err verify_take(struct crypto *crypto, int64_t now_ms, const struct verify_event *event);
/* Time-outs, our start, the next event of each. */
enum err verify_step(struct crypto *crypto, int64_t now_ms);
/* The end of a request that carried an event; context is its. */
void verify_sent(struct crypto *crypto, int64_t now_ms, const json_t *context, bool refused);
void verify_finish(struct crypto *crypto);

/* ---- for verify.c and verify_sas.c ---- */

/* Whether its events cannot go through the room's queue. */
enum err verify_room_is_direct(struct crypto *crypto, const struct verify *v, bool *direct);
/* Makes the next request that brings the event {type, content} there: first the key, if need be. */
enum err verify_room_send(struct crypto *crypto, struct verify *v, int64_t now_ms,
        const json_t *event, const json_t *context);

/* Puts an event into the queue; content is taken, its id is added. */
void verify_say(struct verify *v, const char *type, json_t *content);
/* Ends it and tells the other side. reason for people. */
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

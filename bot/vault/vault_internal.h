/*
 * vault_internal.h - what the parts of the vault share; for bot/vault/ alone.
 */
#pragma once

#include <sys/queue.h>
#include "bot/vault/vault.h"

/* ---- core.c: inside writer jobs ---- */

struct vault_core {
	struct store *store;
	struct crypto *machine;
	bool good;                     /* our device is signed: encrypted events may be sent */
	int64_t readers_epoch;         /* as of which the readers of rooms were last looked up */
	uint64_t status_changes;       /* the same for the status; UINT64_MAX = never */
	enum crypto_identity identity; /* of that status */
	bool marked; /* the database is as new as what was sent from it (mark.c): likewise */
};

/* A room whose readers are to be looked up. */
struct core_room {
	char *name, *room_id;
	struct member_list *list; /* referenced */
};

/* What a look at the machine is to bring, and brought; owned by whoever looked. */
struct core_look {
	struct core_room *rooms;
	size_t rooms_len;
	bool readers_due; /* else they are looked up only when something changed */
	bool status_due;  /* likewise */
	bool has_status;  /* else it is as before */
	struct crypto_status status;
	json_t *verifications;
	json_t *readers; /* {room id: crypto_readers()}, NULL = as before */
	struct crypto_request *requests;
	size_t requests_len;
};

enum err core_open(struct vault_core *core, struct store *store,
        const struct crypto_options *options, bool new_device, char fingerprint[64],
        struct fault *fault);
void core_close(struct vault_core *core);
/* Whether the database has encryption keys; whether that key opens them (ERR_CORRUPT = no). */
enum err core_has_keys(struct store *store, bool *has);
enum err core_key_opens(struct store *store, const uint8_t key[CRYPTO_PICKLE_KEY_LEN]);
/* How things stand, and what wants to be sent. Makes cross-signing keys when there are none. */
enum err core_look(struct vault_core *core, struct core_look *look);
void core_look_finish(struct core_look *look);

extern const struct deliver_cipher core_cipher; /* without its arg */

/* ---- key.c: blocks ---- */

/* The pickle key from where the config says; else from the file "pickle-key" beside the database.
 * may_make: that is made when it is not there; else ERR_NOT_FOUND. */
enum err key_read(const struct config *config, bool may_make, uint8_t key[CRYPTO_PICKLE_KEY_LEN],
        struct fault *fault);
/* ERR_CORRUPT, with what to do. */
enum err key_does_not_fit(struct fault *fault);
/* Whether what the database has can be opened; OK when it has nothing yet. ERR_NOT_FOUND: the key
 * is gone. ERR_CORRUPT: it is another one. Others: it cannot be read now. */
enum err key_check(const struct config *config, struct store *store, struct fault *fault);

/* ---- the loop's side ---- */

/* Why encrypted rooms wait; the first of several is told. */
enum vault_cause {
	VAULT_OPENING,  /* the keys do not open */
	VAULT_KEYS,     /* they are open and cannot be used */
	VAULT_RECOVERY, /* the recovery key brought nothing */
	VAULT_IDENTITY, /* this device is not signed by the account */
	VAULT_MARK,     /* mark.c */
	VAULT_CAUSES,
};

/* A request of the machine's on its way. */
struct vault_call {
	TAILQ_ENTRY(vault_call) link;
	struct vault *vault;
	struct crypto_request request;
	struct mx_call *call;
	bool busy;      /* a call or a job is under way */
	bool authed;    /* sent with the password */
	unsigned tries; /* failures in a row */
	int64_t due_ms; /* monotonic; INT64_MAX = not waiting */
};

struct vault {
	uv_loop_t *loop;
	struct writer *writer;
	struct config *config;
	struct vault_events events;
	struct vault_core core;
	struct deliver_cipher cipher;
	struct mx *mx; /* NULL = offline */
	const struct rooms *rooms;
	char *user_id, *device_id;
	bool new_device;
	bool opening, open;
	TAILQ_HEAD(, vault_call) calls;
	uv_timer_t timer;
	int64_t look_ms;  /* monotonic; when to look by itself */
	int64_t waits_ms; /* monotonic; when a room that waits is tried again, INT64_MAX = none */
	bool looking, look_again;
	enum crypto_identity identity;
	char problems[VAULT_CAUSES][256]; /* why encrypted rooms wait, "" = not for that */
	char fingerprint[64];
	json_t *notices, *verified, *verifications, *readers;
	bool status_due;  /* a look failed: what it found out is lost */
	bool readers_due; /* the members of rooms, or the rooms, changed since the last look */
	struct recovery *recovery; /* under way, or NULL */
	int64_t recovery_ms;       /* monotonic; not tried again before */
	struct mx_call *mark_call; /* under way, or NULL */
	int64_t mark_ms;           /* monotonic; when to try, INT64_MAX = done or under way */
	unsigned mark_tries;
	char mark_notice[256]; /* why there is no mark, "" = there is */
	unsigned jobs;         /* on the pool or in the writer */
	bool closing, timer_closed;
	void (*closed)(void *arg);
	void *closed_arg;
};

/* vault.c */
/* Logged when it is another one than before. */
void vault_problem_set(struct vault *vault, enum vault_cause cause, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
void vault_problem_clear(struct vault *vault, enum vault_cause cause);
void vault_job_ended(struct vault *vault);
void vault_maybe_closed(struct vault *vault);
void vault_arm(struct vault *vault);

/* vault_calls.c: sends requests and feeds their ends back. Takes what it wants of *requests. */
void calls_take(struct vault *vault, struct crypto_request *requests, size_t len);
void calls_due(struct vault *vault, int64_t now_ms);
int64_t calls_next_ms(const struct vault *vault);
void calls_cancel(struct vault *vault);
bool calls_busy(const struct vault *vault);

/* mark.c: tells whether a backup of the database was put back; encrypted rooms wait for it. */
void mark_due(struct vault *vault, int64_t now_ms);
void mark_cancel(struct vault *vault);

/* vault_readers.c: who can read encrypted rooms. */
void readers_begin(struct vault *vault, struct core_look *look);
/* Takes over what was looked up, and logs what changed for people. */
void readers_take(struct vault *vault, struct core_look *look);
void readers_end(struct core_look *look); /* on the loop */

/* recovery.c: takes our cross-signing keys out of secret storage. */
void recovery_start(struct vault *vault);
void recovery_cancel(struct vault *vault);

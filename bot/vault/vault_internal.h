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
	bool has_kept;           /* to-device events may be kept for the machine */
	bool good;               /* our device is cross-signed: encrypted events may be sent */
	int64_t readers_epoch;   /* crypto_epoch() when the rooms' readers were last looked up */
	uint64_t status_changes; /* the same of crypto_status_changes(); UINT64_MAX = never */
	enum crypto_identity identity; /* as of the last status */
	bool marked; /* mark.c has checked for a restored backup: required for sending too */
};

/* A room whose readers are to be looked up. */
struct core_room {
	char *name, *room_id;
	struct member_list *list; /* referenced */
};

/* What a look should read from the machine, and its results; owned by the job that looks. */
struct core_look {
	struct core_room *rooms;
	size_t rooms_len;
	bool readers_due; /* look them up even if nothing changed */
	bool status_due;  /* read the status even if nothing changed */
	bool has_status;  /* the status was read; otherwise it has not changed */
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
/* core_has_keys(): whether the database has encryption keys. core_key_opens(): whether that key
 * opens them (ERR_CORRUPT = no). */
enum err core_has_keys(struct store *store, bool *has);
enum err core_key_opens(struct store *store, const uint8_t key[CRYPTO_PICKLE_KEY_LEN]);
/* Reads the status and the requests to send. Creates cross-signing keys when the account has
 * none. */
enum err core_look(struct vault_core *core, struct core_look *look);
void core_look_finish(struct core_look *look);

extern const struct deliver_cipher core_cipher; /* without its arg */

/* ---- key.c: blocks ---- */

/* Reads the pickle key from where the config says, by default from the file "pickle-key" beside
 * the database. may_make: that file is created when missing; otherwise ERR_NOT_FOUND. */
enum err key_read(const struct config *config, bool may_make, uint8_t key[CRYPTO_PICKLE_KEY_LEN],
        struct fault *fault);
/* Sets and returns ERR_CORRUPT with instructions for the operator. */
enum err key_does_not_fit(struct fault *fault);
/* Whether the pickle key opens the keys in the database; OK when it has none yet. ERR_NOT_FOUND:
 * the pickle key is missing. ERR_CORRUPT: it is the wrong one. Others: it cannot be read now. */
enum err key_check(const struct config *config, struct store *store, struct fault *fault);

/* ---- the loop's side ---- */

/* Why encrypted rooms are on hold; of several causes the first is reported. */
enum vault_cause {
	VAULT_OPENING,  /* the keys cannot be opened */
	VAULT_KEYS,     /* the keys are open but cannot be used */
	VAULT_RECOVERY, /* the recovery key did not work */
	VAULT_IDENTITY, /* this device is not signed by the account */
	VAULT_MARK,     /* mark.c */
	VAULT_CAUSES,
};

/* A request of the machine that is being sent. */
struct vault_call {
	TAILQ_ENTRY(vault_call) link;
	struct vault *vault;
	struct crypto_request request;
	struct mx_call *call;
	bool busy;      /* a call or a job is in progress */
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
	bool settled; /* on_settled() was called */
	TAILQ_HEAD(, vault_call) calls;
	uv_timer_t timer;
	int64_t look_ms;  /* monotonic; the next scheduled look */
	int64_t waits_ms; /* monotonic; when waiting rooms are tried again, INT64_MAX = none */
	bool looking, look_again;
	enum crypto_identity identity;
	char problems[VAULT_CAUSES][256]; /* why encrypted rooms are on hold, "" = not so */
	char fingerprint[64];
	json_t *notices, *verified, *verifications, *readers;
	bool status_due;           /* a look failed and its results were lost */
	bool readers_due;          /* the rooms or their members changed since the last look */
	struct recovery *recovery; /* in progress, or NULL */
	int64_t recovery_ms;       /* monotonic; not tried again before */
	struct mx_call *mark_call; /* in flight, or NULL */
	int64_t mark_ms;           /* monotonic; when to try, INT64_MAX = done or in progress */
	unsigned mark_tries;
	char mark_notice[256]; /* why there is no mark, "" = there is one */
	unsigned jobs;         /* in progress, on the pool or in the writer */
	bool closing, timer_closed;
	void (*closed)(void *arg);
	void *closed_arg;
};

/* vault.c */
/* Sets the problem and logs it when it changed. */
void vault_problem_set(struct vault *vault, enum vault_cause cause, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
void vault_problem_clear(struct vault *vault, enum vault_cause cause);
void vault_job_ended(struct vault *vault);
void vault_maybe_closed(struct vault *vault);
void vault_arm(struct vault *vault);

/* vault_calls.c: sends requests and passes their results back. Takes over members of *requests. */
void calls_take(struct vault *vault, struct crypto_request *requests, size_t len);
void calls_due(struct vault *vault, int64_t now_ms);
int64_t calls_next_ms(const struct vault *vault);
void calls_cancel(struct vault *vault);
bool calls_busy(const struct vault *vault);

/* mark.c: detects a restored backup of the database; encrypted rooms are on hold until it is
 * done. */
void mark_due(struct vault *vault, int64_t now_ms);
void mark_cancel(struct vault *vault);

/* vault_readers.c: who can read encrypted rooms. */
void readers_begin(struct vault *vault, struct core_look *look);
/* Takes over the results, and logs who can or can no longer read. */
void readers_take(struct vault *vault, struct core_look *look);
void readers_end(struct core_look *look); /* on the loop */

/* recovery.c: reads our cross-signing keys from secret storage. */
void recovery_start(struct vault *vault);
void recovery_cancel(struct vault *vault);
/* The first type of account data that is required and missing in {type: content}, or NULL; owned by
 * the caller. No more than RECOVERY_ROUNDS_MAX are fetched, whatever the homeserver answers. */
#define RECOVERY_ROUNDS_MAX 8
char *recovery_missing_type(const json_t *account_data);

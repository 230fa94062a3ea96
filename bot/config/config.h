/*
 * config.h - the configuration as one immutable value.
 *
 * config_load() parses a file into a new struct, validates it as a whole and reports every error
 * with file and line; afterwards the config never changes. It is reference counted: only the loop
 * thread may call config_ref() and config_unref(); a job on libuv's pool borrows the reference of
 * its submitter.
 *
 * All strings are owned by the config. Lists are NULL-terminated. Durations are in milliseconds. To
 * find a room, an app or a kind costs a comparison with each that is configured.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "bot/base/buf.h"
#include "bot/base/err.h"
#include "bot/base/log.h"
#include "bot/base/matcher.h"
#include "bot/base/severity.h"

/* Where a secret comes from; at most one of the two is set. If neither is, a systemd credential
 * with the name of the secret ("token", "pickle_key", "password", "recovery_key") is used. */
struct config_secret {
	char *command; /* run by /bin/sh -c; the secret is the first line of its output */
	char *file;    /* the secret is its first line */
};

struct config_room {
	char *name;    /* "ops" */
	char *address; /* "#alias:server" or "!id…" */
};

struct config_severity {
	char *emoji;    /* never NULL; an emoji set for the kind takes precedence */
	char *msgtype;  /* "m.text" or "m.notice" */
	char **mention; /* user ids, "room", or "oncall:NAME"; may be empty, never NULL */
};

struct config_app {
	char *name;
	char *dashboard;             /* URI template or NULL */
	char *route[SEVERITY_COUNT]; /* room name, NULL = as in [route] */
	int64_t throttle_ms;         /* -1 = as in [delivery] */
	int64_t resolve_after_ms;    /* 0 = never, -1 = as set for its kind */
	bool quiet;                  /* sent as m.notice, regardless of the severity */
};

struct config_kind {
	char *name;
	char *emoji; /* NULL: by severity */
	char *text;  /* template; lines separated by \n */
	char *html;  /* template or NULL: made from text */
	enum severity severity;
	int64_t resolve_after_ms; /* 0 = never */
	char **identity;          /* field names of the fingerprint; may be empty, never NULL */
};

struct config_escalate {
	char *name;
	int64_t after_ms;
	char **mention; /* user ids, "room", or "oncall:NAME"; may be empty, never NULL */
	char *room;     /* name, NULL = the room of the alert */
};

struct config_oncall {
	char *name;
	char **users;  /* in order of rotation */
	char **rotate; /* as written */
	char *from;    /* YYYY-MM-DD or NULL */
	char *room;    /* name of the room that is notified of changes; set by validation */
	/* set by validation: */
	bool rotates, weekly;
	int weekday;          /* 0 = Sunday */
	int hour, minute;     /* local time of a handover */
	int year, month, day; /* date of the first handover; before it the first user is on call */
};

struct config_quiet {
	char *name;
	char *what;                /* matchers as text, NULL = all alerts */
	char **days;               /* as written */
	char *from, *to;           /* HH:MM; always set by validation */
	bool critical;             /* suppresses critical alerts, too */
	struct matchers *matchers; /* `what` compiled; NULL = all alerts; set by validation */
	unsigned weekdays; /* bit n: it may begin on weekday n, 0 = Sunday; set by validation */
};

struct config_watch {
	char *name, *database, *sql, *kind;
	int64_t every_ms, repeat_ms; /* repeat: 0 = never */
	enum severity severity;
};

/* How the JSON of a webhook becomes an alert: templates with JSON pointers; NULL = not given. */
struct config_webhook {
	const char *name;
	const char *app, *kind, *severity, *title, *text, *key, *run_id, *url, *at;
	const char *status;
	const char *resolved, *firing; /* values of `status` that mean that, separated by commas;
	                                  firing NULL: any other */
	char **fields;                 /* NAME=TEMPLATE */
};

struct config {
	char *path; /* the file it was read from */

	struct {
		char *homeserver; /* server name or URL */
		char *user;       /* @bot:server */
		struct config_secret token;
		char *device_name;
		char **invite_from; /* user ids */
		char *proxy;        /* NULL = as set in the environment */
		char *ca_file;      /* NULL = the system's certificates */
	} matrix;

	struct {
		struct config_secret pickle_key, password, recovery_key;
		char *trust; /* "cross-signed", "verified", "all" */
	} encryption;

	struct config_room
	        *rooms; /* rooms_len elements; rooms of equal address share the first name */
	size_t rooms_len;
	char *route[SEVERITY_COUNT]; /* room name, always set by validation */
	struct config_severity severity[SEVERITY_COUNT];
	struct config_app *apps;
	size_t apps_len;
	struct config_kind
	        *kinds; /* the built-in kinds, as changed by the file, and additional ones */
	size_t kinds_len;

	struct {
		char *path;
		char *group; /* NULL = unchanged */
		mode_t mode;
		uid_t *allow_uid; /* empty = everyone whom the socket's mode admits */
		size_t allow_uid_len;
		gid_t *allow_gid;
		size_t allow_gid_len;
		uid_t *admin_uid; /* both lists empty = everyone who may send alerts */
		size_t admin_uid_len;
		gid_t *admin_gid;
		size_t admin_gid_len;
		unsigned max_clients;
	} socket;

	struct {
		char *database;
		char *spool;
		int64_t retention_ms;
	} storage;

	struct {
		int64_t throttle_ms, edit_interval_ms;
		unsigned storm; /* new messages a minute, of all origins, that start a storm; 0 =
		                   off */
		bool ring_on_close, inhibit;
	} delivery;

	struct {
		char *prefix;
		char **rooms; /* room names; empty = all */
		char **users; /* user ids */
		int power_level;
		char *answers; /* "thread", "reply" */
		int64_t remind_ms, ack_timeout_ms, silence_max_ms;
	} commands;

	struct {
		char *room, *at, *timezone;
		char *sender; /* of `watch`: user id of the watched bot, or NULL */
		int64_t grace_ms;
		bool chart; /* adds a chart of the week on Mondays */
	} heartbeat;

	struct {
		char *room, *exec, *homeserver, *user, *ping_url;
		int64_t undelivered_ms; /* 0 = never */
		char *second_room; /* room address for the second account, NULL = address of another
		                      room */
		char *ca_file;     /* NULL = the system's certificates */
		struct config_secret token;
	} meta;

	struct {
		char *database, *calls_table;
		char *calls_columns; /* "at=theirs,what,…", no spaces; never NULL */
		char *violations_sql, *error_rate_sql; /* "off" = not monitored */
		double violations_threshold, error_rate_threshold;
		int64_t every_ms, repeat_ms;
	} call_monitor;

	struct config_escalate *escalates; /* sorted by after_ms in validation */
	size_t escalates_len;
	struct config_oncall *oncalls;
	size_t oncalls_len;
	struct config_quiet *quiets;
	size_t quiets_len;

	struct config_watch *watches;
	size_t watches_len;
	struct config_webhook *webhooks;
	size_t webhooks_len;

	struct config_labels {
		char **app, **title,
		        **severity; /* label names; the first one present in an alert is used */
		char **severities[SEVERITY_COUNT]; /* label values for each severity */
	} labels;

	struct {
		char *listen;
		struct config_secret token;
		char *tokens; /* path, or NULL */
		int64_t timeout_ms;
	} http;

	struct {
		enum log_level level;
		enum log_format format;
	} log;
};

/*
 * Reads and validates a file. On failure *out is NULL, the result is ERR_CONFIG (or ERR_IO when the
 * file cannot be read), and `report` has one line "file:line: message" for each error. Relative
 * paths in the file are relative to the folder of the config file.
 */
enum err config_load(const char *path, struct config **out, struct buf *report);

/* As config_load(), from memory; `path` is for messages and relative paths. For tests. */
enum err config_parse(const char *text, const char *path, struct config **out, struct buf *report);

struct config *config_ref(struct config *config);
/* Puts another config in *place: references the new one and releases the old one. */
void config_replace(struct config **place, struct config *config);
void config_unref(struct config *config); /* NULL is allowed */

/* The path of the config to use: `given` (may be NULL), $MATRIX_TELEMETRY_BOT_CONFIG, ./bot.conf,
 * /etc/…. The result is static, `given`, or a string of the environment. */
const char *config_find(const char *given);

/* Lists, separated by commas, the keys that differ and take effect only after a restart. */
void config_name_restart_keys(
        const struct config *from, const struct config *to, struct buf *names);

/* Look-ups; NULL when there is none. The result belongs to the config. */
const struct config_oncall *config_oncall(const struct config *config, const char *name);
/* Prefix of a mention of an on-call schedule. */
#define CONFIG_ONCALL_PREFIX "oncall:"
const struct config_app *config_app(const struct config *config, const char *name);
const struct config_kind *config_kind(const struct config *config, const char *name);
/* How long a failure of an app and kind may fire without happening again; 0 = for ever. The app's
 * setting takes precedence over its kind's. */
int64_t config_resolve_after_ms(const struct config *config, const char *app, const char *kind);
const struct config_room *config_room(const struct config *config, const char *name);

/*
 * config.h - the configuration as one immutable value.
 *
 * config_load() parses a file into a fresh struct, validates it whole and reports every fault
 * with file and line; a config that is handed out is never changed again. It is reference
 * counted: config_ref()/config_unref() belong to the loop thread alone; a job on libuv's pool
 * borrows the reference of whoever submitted it.
 *
 * All strings are owned by the config. Lists end with NULL. Durations are in milliseconds.
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

/* Where a secret comes from; at most one of the two is set. A systemd credential of the same
 * name ("token", "pickle_key", "password", "recovery_key") is used when neither is. */
struct config_secret {
	char *command; /* run by /bin/sh -c; the first line of its output */
	char *file;    /* the first line of the file */
};

struct config_room {
	char *name;    /* "ops" */
	char *address; /* "#alias:server" or "!id…" */
};

struct config_severity {
	char *emoji;    /* never NULL; that of a kind comes first */
	char *msgtype;  /* "m.text" or "m.notice" */
	char **mention; /* user ids, "room", or "oncall:NAME"; may be empty, never NULL */
};

struct config_app {
	char *name;
	char *dashboard;             /* URI template or NULL */
	char *route[SEVERITY_COUNT]; /* room name, NULL = [route] */
	int64_t throttle_ms;         /* -1 = [delivery] */
	int64_t resolve_after_ms;    /* 0 = never, -1 = by its kind */
	bool quiet;                  /* sent as m.notice, whatever the severity */
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
	char *room;     /* name, NULL = where the alert is */
};

struct config_oncall {
	char *name;
	char **users;  /* in the order of their turns */
	char **rotate; /* as written */
	char *from;    /* YYYY-MM-DD or NULL */
	char *room;    /* name of the one that hears of changes; set by validation */
	/* by validation: */
	bool rotates, weekly;
	int weekday;          /* 0 = Sunday */
	int hour, minute;     /* when a turn begins */
	int year, month, day; /* of the first turn's beginning, before which the first one has it */
};

struct config_quiet {
	char *name;
	char *what;                /* matchers as text, NULL = everything */
	char **days;               /* as written */
	char *from, *to;           /* HH:MM; always set by validation */
	bool critical;             /* holds these back too */
	struct matchers *matchers; /* of what, compiled; NULL = everything; set by validation */
	unsigned weekdays;         /* bit n: it may begin on day n, 0 = Sunday; set by validation */
};

struct config_watch {
	char *name, *database, *sql, *kind;
	int64_t every_ms, repeat_ms; /* repeat: 0 = never */
	enum severity severity;
};

/* What a webhook posts, as an alert: templates with JSON pointers; NULL = not given. */
struct config_webhook {
	const char *name;
	const char *app, *kind, *severity, *title, *text, *key, *run_id, *url, *at;
	const char *status, *resolved; /* resolved: values of status, with commas between */
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
		char *proxy;        /* NULL = from the environment */
		char *ca_file;      /* NULL = system store */
	} matrix;

	struct {
		struct config_secret pickle_key, password, recovery_key;
		char *trust; /* "cross-signed", "verified", "all" */
	} encryption;

	struct config_room *rooms; /* rooms_len of them; equal addresses share the first name */
	size_t rooms_len;
	char *route[SEVERITY_COUNT]; /* room name, always set by validation */
	struct config_severity severity[SEVERITY_COUNT];
	struct config_app *apps;
	size_t apps_len;
	struct config_kind *kinds; /* the built-in ones, with the file's changes, and new ones */
	size_t kinds_len;

	struct {
		char *path;
		char *group; /* NULL = leave */
		mode_t mode;
		uid_t *allow_uid; /* empty list = everyone the mode lets in */
		size_t allow_uid_len;
		gid_t *allow_gid;
		size_t allow_gid_len;
		uid_t *admin_uid; /* both lists empty = everyone who may send */
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
		unsigned storm; /* new messages a minute over all origins; 0 = off */
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
		char *sender; /* of `watch`: the bot that is watched, or NULL */
		int64_t grace_ms;
		bool chart; /* the week's, on Mondays */
	} heartbeat;

	struct {
		char *room, *exec, *homeserver, *user, *ping_url;
		int64_t undelivered_ms; /* 0 = never */
		char *second_room; /* address for the second account, NULL = that of another room */
		char *ca_file;     /* NULL = system store */
		struct config_secret token;
	} meta;

	struct {
		char *database, *calls_table;
		char *calls_columns; /* "at=theirs,what,…", no spaces; never NULL */
		char *violations_sql, *error_rate_sql; /* "off" = not looked at */
		double violations_threshold, error_rate_threshold;
		int64_t every_ms, repeat_ms;
	} call_monitor;

	struct config_escalate *escalates; /* by validation in the order of after_ms */
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
		char **app, **title, **severity; /* names of labels; the first that an alert has */
		char **severities[SEVERITY_COUNT]; /* values of the label that mean each */
	} labels;

	struct {
		char *listen;
		struct config_secret token;
		char *tokens; /* file, or NULL */
		int64_t timeout_ms;
	} http;

	struct {
		enum log_level level;
		enum log_format format;
	} log;
};

/*
 * Reads and validates a file. On failure *out is NULL, the code is ERR_CONFIG (or ERR_IO when
 * the file cannot be read), and `report` holds one line "file:line: message" for every fault.
 * Relative paths in the file are taken from the folder of the config file.
 */
enum err config_load(const char *path, struct config **out, struct buf *report);

/* The same from memory, with `path` for messages and relative paths; for tests. */
enum err config_parse(const char *text, const char *path, struct config **out, struct buf *report);

struct config *config_ref(struct config *config);
/* Another one takes the place of the one that is referenced there. */
void config_replace(struct config **place, struct config *config);
void config_unref(struct config *config); /* NULL is allowed */

/* The file to use: `given` (may be NULL), $MATRIX_TELEMETRY_BOT_CONFIG, ./bot.conf, /etc/…. The
 * returned string is static, given, or the environment's. */
const char *config_find(const char *given);

/* Names, by comma, the keys that differ and count from the next start on only. */
void config_name_restart_keys(
        const struct config *from, const struct config *to, struct buf *names);

/* Look-ups; NULL when there is none. The result belongs to the config. */
const struct config_oncall *config_oncall(const struct config *config, const char *name);
/* What a mention of one begins with. */
#define CONFIG_ONCALL_PREFIX "oncall:"
const struct config_app *config_app(const struct config *config, const char *name);
const struct config_kind *config_kind(const struct config *config, const char *name);
const struct config_room *config_room(const struct config *config, const char *name);

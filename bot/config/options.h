/*
 * options.h - every key of bot.conf in one table: type, struct member, range, default, help. The
 * parser, the defaults, the checks of single values and bot.conf.example are made from it. For
 * bot/config/ and its tests.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include "bot/config/config.h"

enum option_type {
	OPTION_TEXT,     /* char *, not empty */
	OPTION_PATH,     /* char *, relative to the config file's folder */
	OPTION_TEMPLATE, /* char *, {field} and {field:N}; "\n" stands for a line break */
	OPTION_LINES,    /* char *, may continue on indented lines */
	OPTION_LINK,     /* char *, template of an http(s) URL */
	OPTION_CHOICE,   /* char *, one of `choices` */
	OPTION_ENUM,     /* an enum: the index of one of `choices` */
	OPTION_USER,     /* char *, a Matrix user id */
	OPTION_USERS,    /* char **, user ids separated by commas or spaces */
	OPTION_MENTION,  /* char **, user ids, "room" or "oncall:NAME" */
	OPTION_WORDS,    /* char **, separated by commas or spaces */
	OPTION_ROOM,     /* char *, a name of [rooms], checked after all are read */
	OPTION_ROOMS,    /* char **, names of [rooms], checked after all are read */
	OPTION_ADDRESS,  /* char *, a room's alias or id */
	OPTION_ARGV,     /* char *, a command in words, see bot/base/argv.h */
	OPTION_TIME,     /* char *, HH:MM */
	OPTION_ZONE,     /* char *, a time zone of the system */
	OPTION_SERVER,   /* char *, a server name or an http(s) URL */
	OPTION_URL,      /* char *, an http(s) URL */
	OPTION_LISTEN,   /* char *, ADDRESS:PORT */
	OPTION_TABLE,    /* char *, a plain SQL identifier */
	OPTION_COLUMNS,  /* char *, "ours=theirs,…" */
	OPTION_DURATION, /* int64_t ms */
	OPTION_BOOL,     /* bool */
	OPTION_UINT,     /* unsigned */
	OPTION_INT,      /* int */
	OPTION_REAL,     /* double */
	OPTION_MODE,     /* mode_t, octal */
	OPTION_GROUP,    /* char *, a group's name or number */
	OPTION_UIDS,     /* uid_t * followed by its length: names or numbers */
	OPTION_GIDS,     /* gid_t * followed by its length: names or numbers */
};

struct option {
	const char *section; /* "matrix"; for "[app NAME]" and the like: "app *" */
	const char *key;
	enum option_type type;
	size_t offset;        /* in struct config, or in the struct of the section */
	const char *fallback; /* default as written in a config; NULL = none, or set elsewhere */
	double min, max;      /* of numbers and durations (ms) */
	const char *choices;  /* "a|b|c" */
	const char *help;     /* for bot.conf.example; lines separated by \n */
	const char *example;  /* shown there instead of the default */
	bool shown;           /* shown as an active line, not as a comment */
};

extern const struct option config_options[];
extern const size_t config_options_len;

struct option_section {
	const char *pattern; /* as in struct option */
	const char *example; /* its header in bot.conf.example */
	const char *help;
};

extern const struct option_section config_sections[];
extern const size_t config_sections_len;

/* The option of a key, NULL if there is none. */
const struct option *option_find(const char *pattern, const char *key);

/* The built-in kinds, and the default emoji and message type of each severity. */
struct builtin_kind {
	const char *name;
	const char *emoji; /* NULL: by severity */
	const char *text;
	enum severity severity;
	const char *identity;
};

extern const struct builtin_kind config_builtin_kinds[];
extern const size_t config_builtin_kinds_len;

struct builtin_severity {
	const char *emoji, *msgtype;
};

extern const struct builtin_severity config_builtin_severities[SEVERITY_COUNT];

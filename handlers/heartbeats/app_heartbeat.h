/*
 * app_heartbeat.h - signs of life that apps promised: a dead man's switch. Inside writer jobs, but
 * for parsing.
 *
 * An app says that it lives, and how often it will: every so often, or by a cron line in the
 * zone. When it stays away for longer than that and the grace, an alert of kind heartbeat_missed
 * is raised by the ordinary way, once; when it comes back, that is resolved. What is expected is
 * kept over restarts.
 *
 * No false alarms after a time in which nothing could arrive: when the daemon was down, the
 * machine slept or its clock leapt while a heartbeat was to be expected, that one counts as if it
 * had come at the end of that time. What waited in the spool counts by the time it was written.
 */
#pragma once

#include "handlers/alerts/deliver.h"
#include "handlers/message/words.h"

#define APP_HEARTBEATS_MAX 1000 /* of all apps together */
#define APP_HEARTBEAT_NAME_MAX 64
#define APP_HEARTBEAT_KIND "heartbeat_missed"

struct app_heartbeat {
	char app[ALERT_APP_MAX + 1], name[APP_HEARTBEAT_NAME_MAX + 1];
	int64_t every_ms; /* 0 = not given */
	int64_t grace_ms; /* -1 = not given */
	char *schedule;   /* owned, or NULL */
	int64_t at_ms;    /* when it was said */
	bool stop;        /* none is to be expected any more */
};

/* Checks a request. ERR_INVALID fills *fault; app_heartbeat_finish() follows on any result. */
enum err app_heartbeat_parse(const json_t *request, int64_t now_ms, struct app_heartbeat *out,
        struct alert_fault *fault);
void app_heartbeat_finish(struct app_heartbeat *beat);

struct app_heartbeat_receipt {
	const char *state; /* static: "new", "seen", "back", "stopped" */
	int64_t due_ms;    /* the next one; 0 = none */
	/* ERR_INVALID: every or schedule is missing, or there is none to stop; ERR_FULL: there are
	 * too many */
	struct alert_fault fault;
};

/* Takes one in. happened: array, what subscribers are told is added. */
enum err app_heartbeat_accept(const struct deliver *d, const struct app_heartbeat *beat,
        struct app_heartbeat_receipt *receipt, json_t *happened);

/* Raises what is overdue. leapt: of the look at the bot's own, see heartbeat_result. */
enum err app_heartbeat_look(const struct deliver *d, bool leapt, json_t *happened);

/* The list for people, a line each, and as data (array); either may be NULL. */
enum err app_heartbeat_list(
        struct store *store, int64_t now_ms, size_t most, struct words *out, json_t *data);

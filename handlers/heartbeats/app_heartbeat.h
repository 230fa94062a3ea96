/*
 * app_heartbeat.h - heartbeats of apps: a dead man's switch. Inside writer jobs, except for
 * parsing.
 *
 * An app reports that it is running, and how often it will do so: at an interval, or by a cron line
 * in the zone. If the next report is later than that plus the grace, an alert of kind
 * heartbeat_missed is raised in the ordinary way, once; the next report resolves it. A report may
 * say that the app's work failed: that raises an alert of kind heartbeat_failed each time, which
 * the next good report resolves. The registrations survive a restart.
 *
 * There are no false alarms after a time in which nothing could arrive: if the daemon was down, the
 * machine was suspended or its clock jumped while a heartbeat was due, it counts as received at the
 * end of that time. Heartbeats from the spool count by the time at which they were written.
 */
#pragma once

#include "handlers/alerts/deliver.h"
#include "handlers/message/words.h"

#define APP_HEARTBEATS_MAX 1000 /* of all apps together */
#define APP_HEARTBEAT_NAME_MAX 64
#define APP_HEARTBEAT_MISSED "heartbeat_missed" /* kinds of alerts */
#define APP_HEARTBEAT_FAILED "heartbeat_failed"

struct app_heartbeat {
	char app[ALERT_APP_MAX + 1], name[APP_HEARTBEAT_NAME_MAX + 1];
	int64_t every_ms; /* 0 = not given */
	int64_t grace_ms; /* -1 = not given */
	char *schedule;   /* owned, or NULL */
	char *failed;     /* owned; what failed, or NULL */
	int64_t at_ms;    /* when it was sent */
	bool stop;        /* unregisters the heartbeat */
};

/* Parses a request. ERR_INVALID fills *fault; call app_heartbeat_finish() whatever the result. */
enum err app_heartbeat_parse(const json_t *request, int64_t now_ms, struct app_heartbeat *out,
        struct alert_fault *fault);
void app_heartbeat_finish(struct app_heartbeat *beat);

struct app_heartbeat_receipt {
	const char *state; /* static: "new", "seen", "back", "failed", "stopped" */
	int64_t due_ms;    /* when the next one is due; 0 = never */
	/* ERR_INVALID: neither every nor schedule is known, or there is none to stop; ERR_FULL:
	 * there are APP_HEARTBEATS_MAX already */
	struct alert_fault fault;
};

/* Accepts a heartbeat. happened: array of events for subscribers, added to. */
enum err app_heartbeat_accept(const struct deliver *d, const struct app_heartbeat *beat,
        struct app_heartbeat_receipt *receipt, json_t *happened);

/* Raises alerts for overdue heartbeats, and reads no others but those whose alert is silenced.
 * leapt: from heartbeat_look(), see heartbeat_result. */
enum err app_heartbeat_look(const struct deliver *d, bool leapt, json_t *happened);

/* Lists the heartbeats for people, a line each, and as JSON (array); either may be NULL. most:
 * maximum number. */
enum err app_heartbeat_list(
        struct store *store, int64_t now_ms, size_t most, struct words *out, json_t *data);

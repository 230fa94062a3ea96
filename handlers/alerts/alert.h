/*
 * alert.h - one alert: parsed from JSON into a checked struct, with its identity.
 *
 * No other file parses the JSON of an alert.
 */
#pragma once

#include <jansson.h>
#include "bot/base/peer.h"
#include "bot/config/config.h"

#define ALERT_APP_MAX 64    /* characters of `app`: [A-Za-z0-9_.-] */
#define ALERT_NAME_MAX 128  /* code points of kind, key, id, run_id */
#define ALERT_URL_MAX 2048  /* bytes */
#define ALERT_TITLE_MAX 512 /* code points */
#define ALERT_FIELDS_MAX 64 /* fields */

/* Why a request is rejected: field is the JSON key, message says what it must be. */
struct alert_fault {
	char field[64];
	char message[192];
};

struct alert {
	char *app, *kind;
	enum severity severity;
	bool resolved;
	char *run_id, *id, *key, *url, *title, *text; /* NULL when absent */
	char *reopens; /* id that is no longer a duplicate from now on, or NULL */
	int64_t at_ms;
	int64_t ends_ms;   /* resolved then unless sent again; 0 = not given */
	json_t *fields;    /* object of scalars, unknown keys of the alert included */
	char *identity;    /* what failed, for people: the identifying fields' values, neutral */
	bool unnamed;      /* neither a key nor an identifying field says what failed */
	char *subject;     /* 32 hex digits of a hash over app, kind, identity (or key) */
	char *fingerprint; /* the same over app, kind, severity, identity (or key) */
	json_t *warnings;  /* corrections made: array of {field, message}, or NULL */
	struct alert_peer peer;
	const char *resolved_by, *resolve_note; /* who resolved it by hand; borrowed, or NULL */
	bool is_one_of_many;                    /* resolved with others: no line in each thread */
};

/*
 * Makes an alert of a request: severity, status, defaults by kind, `at` (RFC 3339). Unknown keys go
 * to fields; the key "op" is ignored. An invalid part does not reject the alert: it is corrected
 * and reported in alert->warnings (with what request_parse() corrected before). Only an alert
 * without an app is ERR_INVALID, which fills *fault. The request is borrowed.
 */
enum err alert_parse(const json_t *request, const struct config *config, int64_t now_ms,
        struct alert **out, struct alert_fault *fault);
void alert_destroy(struct alert *alert); /* NULL is allowed */

/* A string, number or boolean as text: 5321, 0.15, true. Owned by the caller. */
char *alert_scalar_text(const json_t *value);

/* fields as JSON text, with title and text if they are given; owned by the caller. */
char *alert_fields_json(const struct alert *alert);

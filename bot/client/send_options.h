/*
 * send_options.h - the command line of matrix-send-message, and the alert it describes.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <jansson.h>
#include "bot/base/err.h"

/* Default path of an installed daemon's spool. */
#define SEND_SPOOL "/var/spool/matrix-telemetry-bot"

struct send_options {
	const char *config, *socket, *spool; /* NULL = not given; borrowed from argv */
	json_t *alert;                       /* the request; its id only if given */
	struct {
		char *data; /* TEXT, owned, or NULL */
		bool from_stdin;
	} text;
	int64_t timeout_ms; /* -1 = not given */
	bool heartbeat;     /* the request is a heartbeat, not an alert */
	bool exec;          /* run a command and report on it */
	char **command;     /* borrowed from argv */
	json_t *beat;       /* the heartbeat sent with it, or NULL; owned */
	bool ndjson, wait, json, help, version;
};

/* ERR_INVALID: *fault has a message for the user. Call send_options_finish() after any result. */
enum err send_options_parse(
        struct send_options *options, int argc, char **argv, struct fault *fault);
void send_options_finish(struct send_options *options);
void send_options_help(FILE *out);

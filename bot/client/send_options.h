/*
 * send_options.h - the command line of matrix-send-message, and the alert it describes.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <jansson.h>
#include "bot/base/err.h"

/* Where an installed daemon listens, and where alerts wait for it. */
#define SEND_SOCKET "/run/matrix-telemetry-bot/socket"
#define SEND_SPOOL "/var/spool/matrix-telemetry-bot"

struct send_options {
	const char *config, *socket, *spool; /* NULL = not given; of argv */
	json_t *alert;                       /* the request without id, or with the one given */
	struct {
		char *data; /* TEXT, owned, or NULL */
		bool from_stdin;
	} text;
	int64_t timeout_ms; /* -1 = not given */
	bool heartbeat;     /* the request is one, not an alert */
	bool exec;          /* a command is run: */
	char **command;     /* of argv */
	json_t *beat;       /* the heartbeat that goes with it, or NULL; owned */
	bool ndjson, wait, json, help, version;
};

/* ERR_INVALID with a message for the user. On any result send_options_finish() follows. */
enum err send_options_parse(
        struct send_options *options, int argc, char **argv, struct fault *fault);
void send_options_finish(struct send_options *options);
void send_options_help(FILE *out);

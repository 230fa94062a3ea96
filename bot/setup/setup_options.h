/*
 * setup_options.h - the command line of `matrix-telemetry-bot setup`.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "bot/base/err.h"

#define SETUP_LIST_MAX 32

struct setup_list {
	const char *items[SETUP_LIST_MAX];
	size_t len;
};

struct setup_options {
	const char *config, *homeserver, *user; /* NULL = not given; all of argv, borrowed */
	const char *password_file, *secret_file, *token_file, *recovery_file;
	struct setup_list rooms, operators, dashboards; /* "ops=#ops:e"; "@op:e"; "app=https://…" */
	int64_t wait_ms; /* until operators join, and until the test message is acknowledged */
	bool reset_identity, encrypted, no_test, yes, help;
};

/* argv[0] is the command's name. ERR_INVALID: *fault has the reason. */
enum err setup_options_parse(
        struct setup_options *options, int argc, char **argv, struct fault *fault);
void setup_options_help(FILE *out);

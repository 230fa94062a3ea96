/*
 * verify_dialog.h - `matrix-telemetry-bot verify`: a person compares emoji with an operator's
 * client.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include "bot/client/socket.h"

/* Runs the whole dialog; returns a sysexits(3) status. */
int verify_run(struct client *client, const json_t *request, bool json);

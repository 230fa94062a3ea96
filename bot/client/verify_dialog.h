/*
 * verify_dialog.h - `matrix-telemetry-bot verify`: a person compares emoji with an operator's
 * client.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include "bot/client/socket.h"

/* [USER] into the request's members; false: usage. */
bool verify_fill(json_t *request, int argc, char **argv);
/* The whole dialogue; a sysexits(3) status. */
int verify_run(struct client *client, const json_t *request, bool json);

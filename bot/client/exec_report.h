/*
 * exec_report.h - reports a command that ran: an alert when it failed, its resolution when it
 * succeeded, and its heartbeat.
 */
#pragma once

#include <jansson.h>
#include "bot/client/exec_run.h"
#include "bot/client/hand_in.h"

/*
 * Completes `alert`, which has the fields from the command line, for the outcome of argv: firing,
 * or resolved. Its identity is its title, else the base name of argv[0]. Pure.
 */
void exec_describe(
        json_t *alert, char *const *argv, const struct exec_outcome *outcome, int64_t now_ms);

/* Hands in both requests (heartbeat may be NULL), or writes them to the spool. Reports on standard
 * error what could be neither sent nor spooled. */
void exec_report(const struct send *send, json_t *alert, json_t *heartbeat);

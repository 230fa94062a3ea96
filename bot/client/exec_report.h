/*
 * exec_report.h - what is told about a command that ran: the alert of its failure, the end of that
 * by its success, its heartbeat.
 */
#pragma once

#include <jansson.h>
#include "bot/client/exec_run.h"
#include "bot/client/hand_in.h"

/*
 * Completes `alert`, which has what the command line said, for the outcome of argv: firing, or
 * resolved. What failed is its title, else the base name of argv[0]. Pure.
 */
void exec_describe(
        json_t *alert, char *const *argv, const struct exec_outcome *outcome, int64_t now_ms);

/* Hands in both requests (heartbeat may be NULL), or spools them. What became of neither is said
 * on standard error. */
void exec_report(const struct send *send, json_t *alert, json_t *heartbeat);

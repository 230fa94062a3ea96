/*
 * health.h - the one idea of health, for `status`, `!status`, `check`, exit codes and the page:
 * whatever keeps an alert from being read by a person is a problem. Pure.
 */
#pragma once

#include <jansson.h>
#include "handlers/commands/report.h"

/*
 * What is wrong, gravest first: an array of {"cause", "text", "fix"}, empty when all is well. cause
 * is one of homeserver, account, rate_limit, room, readers, encryption, undeliverable, queue,
 * spool, silence, watch; text says what is wrong, fix what a person does about it. prefix stands
 * before commands, "" on the command line. A new reference.
 */
json_t *health_problems(const struct report_status *status, const char *prefix);

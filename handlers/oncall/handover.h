/*
 * handover.h - announces in the room that somebody else is on call now, and reports on-call users
 * who are not in the room. Inside writer jobs.
 */
#pragma once

#include "handlers/alerts/deliver.h"
#include "handlers/commands/report.h"

/* Announces what changed since the last call. status NULL: the members of the rooms are unknown,
 * so nobody is reported as absent. */
enum err handover_look(const struct deliver *d, const struct report_status *status);

/* True when the user is in that room of the config, or its members are unknown. */
bool handover_may_have(const struct report_status *status, const char *room, const char *user);

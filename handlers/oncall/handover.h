/*
 * handover.h - what a room is told when somebody else is on call, and when somebody who is to be on
 * call is not in the room. Inside writer jobs.
 */
#pragma once

#include "handlers/alerts/deliver.h"
#include "handlers/commands/report.h"

/* Tells of what changed since the last look. status may be NULL: who is in the rooms is unknown. */
enum err handover_look(const struct deliver *d, const struct report_status *status);

/* Who is in a room of the config: the list has the user, or it is not known. */
bool handover_may_have(const struct report_status *status, const char *room, const char *user);

/*
 * escalate.h - what happens while a critical failure is unacknowledged: reminders every `remind`,
 * and the steps of [escalate NAME], each once. They stop when it is acknowledged, silenced or
 * resolved.
 */
#pragma once

#include "handlers/alerts/deliver.h"
#include "storage/messages.h"

/*
 * The steps that are due for a failure that has been in the room and unacknowledged since since_ms,
 * and went through all steps up to done_ms (entry_row::escalated_ms). Returns their number; *first:
 * the index of the first of them in the config. Pure.
 */
size_t escalate_due(const struct config *config, int64_t since_ms, int64_t done_ms, int64_t now_ms,
        size_t *first);

/* Sends the steps and reminders that are due, some hundreds in each call: one message for each step
 * and room. A room whose last reminder is still to be delivered gets no other meanwhile. Reads
 * nothing that is not due, however much fires. Inside a writer job. */
enum err escalate_duty(const struct deliver *d);

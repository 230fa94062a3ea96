/*
 * escalate.h - what happens when nobody takes a critical failure on: reminders every `remind`,
 * and the steps of [escalate NAME], each once. They stop with an ack, a silence, or when it is
 * resolved.
 */
#pragma once

#include "handlers/alerts/deliver.h"
#include "storage/messages.h"

/*
 * The steps that are due for a failure which has been in the room and without anybody since
 * since_ms and went through all up to done_ms (entry_row::escalated_ms): *first of them in the
 * config, and how many. Pure.
 */
size_t escalate_due(const struct config *config, int64_t since_ms, int64_t done_ms, int64_t now_ms,
        size_t *first);

/* Does what is due. Inside a writer job. */
enum err escalate_duty(const struct deliver *d);

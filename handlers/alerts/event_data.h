/*
 * event_data.h - the alerts of a message as data, for other programs that read its event. Pure.
 */
#pragma once

#include <jansson.h>
#include "storage/messages.h"

/* Bytes that an entry takes when nothing of it is left out. */
size_t event_data_size(const struct entry_row *entry);

/* An array with an object for each entry, of *size bytes as JSON, at most max if leaving fields
 * out can do it; a new reference. */
json_t *event_data(const struct entry_row *entries, size_t entries_len, size_t max, size_t *size);

/*
 * event_data.h - the alerts of a message as data, for other programs that read its event. Pure.
 */
#pragma once

#include <jansson.h>
#include "storage/messages.h"

/* Size in bytes of an entry's data when nothing is left out; an estimate. */
size_t event_data_size(const struct entry_row *entry);

/* An array with one object for each entry, with as much as an event ever says of it. A new
 * reference. */
json_t *event_data_most(const struct entry_row *entries, size_t entries_len);

/* The same, *size bytes as JSON. To stay within max, texts and fields are cut first, then the last
 * entries are dropped. A new reference. */
json_t *event_data(const struct entry_row *entries, size_t entries_len, size_t max, size_t *size);

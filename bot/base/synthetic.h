/*
 * synthetic.h - the alerts that `test` sends, marked as tests in their text and by the field test =
 * true: no reminder is sent for them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <jansson.h>

/* "node", "dag", "violation"; NULL for a larger index. */
const char *synthetic_name(size_t index);
/* True for these and "all". */
bool synthetic_known(const char *name);
/* The request of that name with a random run id; owned by the caller. */
json_t *synthetic_alert(const char *name);

/*
 * synthetic.h - made-up failures for `test`, marked as such in their text, and by the field test =
 * true: nobody is reminded of them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <jansson.h>

/* "node", "dag", "violation"; NULL past the last. */
const char *synthetic_name(size_t index);
/* True for these and "all". */
bool synthetic_known(const char *name);
/* A request of that name with a random run id; owned by the caller. */
json_t *synthetic_alert(const char *name);

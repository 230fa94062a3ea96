/*
 * happened.h - passes on the events that a writer job reports for subscribers.
 */
#pragma once

#include <jansson.h>

/* Takes over the reference to one event. */
typedef void (*happened_fn)(json_t *event, void *arg);

/* Calls tell for each of an array of events, which stays the caller's; tell may be NULL. */
void happened_tell(const json_t *events, happened_fn tell, void *arg);

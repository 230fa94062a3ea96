/*
 * happened.h - what a writer job says has happened, for those who have subscribed to it.
 */
#pragma once

#include <jansson.h>

/* Takes over the reference to one event. */
typedef void (*happened_fn)(json_t *event, void *arg);

/* Tells each of an array of events, which stays the caller's; tell may be NULL. */
void happened_tell(const json_t *events, happened_fn tell, void *arg);

/*
 * duty.h - what falls due by itself: silences and quiet times that end, acks that are
 * over, failures that nobody took on. Looked at every few seconds, in a writer job.
 */
#pragma once

#include <jansson.h>
#include <uv.h>
#include "bot/config/config.h"
#include "bot/courier.h"
#include "bot/writer.h"

struct duty;

/* Something that subscribers are told; the callee owns the reference. */
typedef void (*duty_happened_fn)(json_t *event, void *arg);

/* writer and courier are borrowed; the config is referenced. */
struct duty *duty_create(uv_loop_t *loop, struct writer *writer, struct courier *courier,
        struct config *config, duty_happened_fn happened, void *arg);
void duty_configure(struct duty *duty, struct config *config);
/* The courier must be open still. Calls closed(arg) once and frees. */
void duty_close(struct duty *duty, void (*closed)(void *arg), void *arg);

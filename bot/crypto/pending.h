/*
 * pending.h - requests that have not ended, kept in the store. Inside bot/crypto/ only.
 */
#pragma once

#include "bot/crypto/machine.h"

/*
 * Adds a request. path_format's %s are percent-encoded; body and context are taken (a reference
 * each). context is what the handler of its answer, in pending.c's table, needs to know.
 */
enum err request_add(struct crypto *crypto, enum crypto_request_kind kind, json_t *body,
        json_t *context, const char *method, const char *path_format, ...);
/* PUT /sendToDevice; messages: {user: {device: content}}; messages and context are taken. */
enum err request_to_device(
        struct crypto *crypto, const char *type, json_t *messages, json_t *context);
/* A verification's event for a room; content and context are taken. */
enum err request_room_event(struct crypto *crypto, const char *room_id, const char *type,
        json_t *content, json_t *context);

/* Whether a request of that kind has not ended; with that context member when `member` is not
 * NULL. */
enum err request_waits(
        struct crypto *crypto, enum crypto_request_kind kind, const char *member, bool *waits);

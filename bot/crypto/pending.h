/*
 * pending.h - requests that wait for an end, kept in the store. Inside bot/crypto/ only.
 */
#pragma once

#include "bot/crypto/machine.h"

/*
 * Adds one. path_format's %s are percent-encoded; body and context are taken (a reference each).
 * context is what its end will need to know, by the functions in request.c's table.
 */
enum err request_add(struct crypto *crypto, enum crypto_request_kind kind, json_t *body,
        json_t *context, const char *method, const char *path_format, ...);
/* PUT /sendToDevice; messages: {user: {device: content}}, taken as context is. */
enum err request_to_device(
        struct crypto *crypto, const char *type, json_t *messages, json_t *context);
/* A verification's event for a room; content and context are taken. */
enum err request_room_event(struct crypto *crypto, const char *room_id, const char *type,
        json_t *content, json_t *context);

/* Whether one of that kind waits; with a context member when `member` is not NULL. */
enum err request_waits(
        struct crypto *crypto, enum crypto_request_kind kind, const char *member, bool *waits);

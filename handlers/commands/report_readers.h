/*
 * report_readers.h - who cannot read an encrypted room and why, in words. Pure.
 *
 * readers: {members, readers, unknown, held: [{user_id, reads, cause, devices: [{device_id,
 * cause}]}]}, as bot/crypto/crypto.h describes it (crypto_readers()).
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include "bot/base/buf.h"

/* Whether no member at all can read. NULL is allowed: nothing is known. */
bool report_readers_nobody(const json_t *readers);
/* One member of `held`: "@op:example.org has no cross-signed device (LAPTOP)". */
void report_readers_member(const json_t *held, struct buf *out);
/* The room's members that are to be told of, three at most; nothing when all can read. */
void report_readers_room(const json_t *readers, struct buf *out);

/*
 * report_readers.h - describes who cannot read an encrypted room, and why. Pure.
 *
 * readers is the result of crypto_readers() (bot/crypto/crypto.h): {members, readers, unknown,
 * held: [{user_id, reads, cause, devices: [{device_id, cause}]}]}.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include "handlers/message/words.h"

/* True when no member at all can read. readers may be NULL (unknown): false. */
bool report_readers_nobody(const json_t *readers);
/* True when that is because nobody else is in the room. */
bool report_readers_alone(const json_t *readers);
/* Describes one member of `held`: "@op:example.org has no cross-signed device (LAPTOP)". */
void report_readers_member(const json_t *held, struct words *out);
/* Describes at most three members who cannot read; adds nothing when all can. */
void report_readers_room(const json_t *readers, struct words *out);

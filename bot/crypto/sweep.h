/*
 * sweep.h - bounds what other users can make us store. Inside bot/crypto/ only.
 *
 * Room keys that decrypted nothing are deleted after 30 days; those of users with whom we share no
 * room after a day, together with their device lists and Olm sessions. Of a session that decrypted
 * nothing for 30 days the used indexes are deleted; to keep replays out, nothing at or below them
 * is decrypted any more.
 */
#pragma once

#include "bot/crypto/machine.h"

/* Does its work once a day; other calls return at once. */
enum err sweep(struct crypto *crypto, int64_t now_ms);

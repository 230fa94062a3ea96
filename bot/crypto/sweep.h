/*
 * sweep.h - bounds what others make us keep. Inside bot/crypto/ only.
 *
 * Room keys with which nothing was read go after 30 days, those of people with whom we share no
 * room after a day, with what is known of these and their Olm sessions. Of a session that was
 * read with, but not for 30 days, the used indexes go, and nothing below them is read any more:
 * so no replay comes back.
 */
#pragma once

#include "bot/crypto/machine.h"

/* Once a day; nothing else of the time. */
enum err sweep(struct crypto *crypto, int64_t now_ms);

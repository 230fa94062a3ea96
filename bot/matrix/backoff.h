/*
 * backoff.h - how long to wait before the next try: capped exponential with jitter. Pure.
 */
#pragma once

#include <stdint.h>

#define BACKOFF_FIRST_MS 500
#define BACKOFF_CAP_MS 60000

/* tries: failures so far (>= 1). server_ms: the wait that the server asked for, -1 = none; it is
 * respected up to five minutes, so that a wrong value does not silence the bot. random: 32 random
 * bits. Returns milliseconds: between half and all of min(cap, first * 2^(tries-1)). */
int64_t backoff_ms(unsigned tries, int64_t server_ms, uint32_t random);

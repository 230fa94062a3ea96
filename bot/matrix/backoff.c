/*
 * backoff.c - see backoff.h.
 */
#include "bot/matrix/backoff.h"

#define BACKOFF_SERVER_MAX_MS (5 * 60 * INT64_C(1000))

int64_t backoff_ms(unsigned tries, int64_t server_ms, uint32_t random)
{
	int64_t full = BACKOFF_FIRST_MS, half, own;

	for (unsigned i = 1; i < tries && full < BACKOFF_CAP_MS; i++)
		full *= 2;
	if (full > BACKOFF_CAP_MS)
		full = BACKOFF_CAP_MS;
	half = full / 2;
	own = half + (int64_t)(random % (uint32_t)(full - half + 1));
	if (server_ms < 0)
		return own;
	if (server_ms > BACKOFF_SERVER_MAX_MS)
		return BACKOFF_SERVER_MAX_MS;
	return server_ms > own ? server_ms : own;
}

/*
 * ping.c - see ping.h.
 */
#include <assert.h>
#include <stdlib.h>
#include "bot/base/alloc.h"
#include "bot/base/log.h"
#include "bot/matrix/backoff.h"
#include "bot/meta/ping.h"

#define TIMEOUT_MS 10000
#define TRIES 5
#define ANSWER_MAX (64U << 10) /* the answer is not read */
#define REDIRECTS 5

struct ping {
	struct http *http;
	char *url; /* or NULL */
	struct http_request *request;
	uv_timer_t timer; /* next try */
	unsigned tries;   /* failures in a row */
	bool busy;        /* a request or a backoff is in progress */
	bool closing, timer_closed;
	void (*closed)(void *arg);
	void *closed_arg;
};

static void ping_fetch(struct ping *ping);

static void ping_maybe_closed(struct ping *ping)
{
	void (*closed)(void *arg) = ping->closed;
	void *arg = ping->closed_arg;

	if (!ping->timer_closed || ping->request)
		return;
	free(ping->url);
	free(ping);
	closed(arg);
}

static void ping_on_timer(uv_timer_t *timer)
{
	ping_fetch(timer->data);
}

/* An answer that is too large is a success as well. */
static bool is_good(const struct http_result *result)
{
	return result->code == ERR_TOO_LARGE ||
	       (result->code == OK && result->status >= 200 && result->status < 300);
}

static void ping_on_answer(const struct http_result *result, void *arg)
{
	struct ping *ping = arg;

	ping->request = NULL;
	if (ping->closing) {
		ping_maybe_closed(ping);
	} else if (is_good(result)) {
		ping->busy = false;
		log_debug("meta", "ping_url: fetched in %lld ms", (long long)result->duration_ms);
	} else if (++ping->tries < TRIES) {
		uv_timer_start(&ping->timer, ping_on_timer,
		        (uint64_t)backoff_ms(ping->tries, result->retry_after_ms, arc4random()), 0);
	} else {
		ping->busy = false;
		if (result->code == OK)
			log_warning("meta", "ping_url: HTTP %ld, giving up after %d attempts",
			        result->status, TRIES);
		else
			log_warning("meta", "ping_url: %s, giving up after %d attempts",
			        result->error, TRIES);
	}
}

static void ping_fetch(struct ping *ping)
{
	struct http_call call = {
	        .method = "GET",
	        .url = ping->url,
	        .timeout_ms = TIMEOUT_MS,
	        .max_answer = ANSWER_MAX,
	        .redirects = REDIRECTS,
	};

	if (ping->url)
		ping->request = http_start(ping->http, &call, ping_on_answer, ping);
	else /* the URL was removed by a reload */
		ping->busy = false;
}

struct ping *ping_create(uv_loop_t *loop, struct http *http, const char *url)
{
	struct ping *ping = x_calloc(1, sizeof(*ping));

	ping->http = http;
	ping->url = x_strdup_opt(url);
	uv_timer_init(loop, &ping->timer);
	ping->timer.data = ping;
	return ping;
}

void ping_configure(struct ping *ping, const char *url)
{
	free(ping->url);
	ping->url = x_strdup_opt(url);
}

void ping_start(struct ping *ping)
{
	assert(!ping->closing);
	if (ping->busy)
		return;
	ping->busy = true;
	ping->tries = 0;
	ping_fetch(ping);
}

static void ping_on_timer_closed(uv_handle_t *handle)
{
	struct ping *ping = handle->data;

	ping->timer_closed = true;
	ping_maybe_closed(ping);
}

void ping_close(struct ping *ping, void (*closed)(void *arg), void *arg)
{
	assert(!ping->closing);
	ping->closing = true;
	ping->closed = closed;
	ping->closed_arg = arg;
	if (ping->request)
		http_cancel(ping->request);
	uv_close((uv_handle_t *)&ping->timer, ping_on_timer_closed);
}

/*
 * meta.c - see meta.h: the channels side by side.
 */
#include <assert.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/log.h"
#include "bot/matrix/http.h"
#include "bot/meta/exec.h"
#include "bot/meta/meta.h"
#include "bot/meta/ping.h"
#include "bot/meta/second.h"

#define EXEC_LIMIT_MS 30000

struct meta {
	struct config *config;
	struct http *http; /* NULL: libcurl cannot be initialized; then only `exec` works */
	struct exec *exec;
	struct second *second; /* NULL when http is, as is ping */
	struct ping *ping;
	unsigned open; /* parts not yet closed */
	bool closing;
	void (*closed)(void *arg);
	void *closed_arg;
};

struct meta *meta_create(uv_loop_t *loop, struct config *config)
{
	struct meta *meta = x_calloc(1, sizeof(*meta));
	struct http_options options = {
	        .proxy = config->matrix.proxy,
	        .ca_file = config->meta.ca_file,
	        .user_agent = "matrix-telemetry-bot/" BOT_VERSION,
	};

	meta->config = config_ref(config);
	meta->exec = exec_create(loop, config->meta.exec, EXEC_LIMIT_MS);
	meta->open = 1;
	if (http_create(&meta->http, loop, &options) != OK) {
		log_error("meta", "cannot initialize libcurl: exec is the only channel");
		meta->http = NULL;
		return meta;
	}
	meta->second = second_create(loop, meta->http, config);
	meta->ping = ping_create(loop, meta->http, config->meta.ping_url);
	meta->open = 4;
	return meta;
}

void meta_configure(struct meta *meta, struct config *config)
{
	config_replace(&meta->config, config);
	exec_configure(meta->exec, config->meta.exec);
	if (!meta->http)
		return;
	second_configure(meta->second, config);
	ping_configure(meta->ping, config->meta.ping_url);
}

void meta_raise(struct meta *meta, const char *text)
{
	assert(!meta->closing);
	exec_run(meta->exec, text);
	if (meta->http)
		second_tell(meta->second, text);
}

void meta_ping(struct meta *meta)
{
	assert(!meta->closing);
	if (meta->http)
		ping_start(meta->ping);
}

static void meta_on_part_closed(void *arg)
{
	struct meta *meta = arg;
	void (*closed)(void *arg) = meta->closed;
	void *closed_arg = meta->closed_arg;

	if (--meta->open > 0)
		return;
	config_unref(meta->config);
	free(meta);
	closed(closed_arg);
}

void meta_close(struct meta *meta, void (*closed)(void *arg), void *arg)
{
	struct http *http = meta->http;

	assert(!meta->closing);
	meta->closing = true;
	meta->closed = closed;
	meta->closed_arg = arg;
	if (http) {
		second_close(meta->second, meta_on_part_closed, meta);
		ping_close(meta->ping, meta_on_part_closed, meta);
		http_close(http, meta_on_part_closed, meta); /* ends their requests */
	}
	exec_close(meta->exec, meta_on_part_closed, meta);
}

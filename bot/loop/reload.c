/*
 * reload.c - see reload.h.
 */
#include <assert.h>
#include <signal.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/log.h"
#include "bot/loop/notify.h"
#include "bot/loop/reload.h"

#define REPORT_MAX (64 * 1024)

struct reload {
	uv_loop_t *loop;
	char *path;
	bool (*apply)(struct config *config, void *arg);
	void *arg;
	uv_signal_t signal;
	uv_work_t work;
	struct config *config; /* the pool's, while it reads */
	struct buf report;     /* likewise */
	bool reading, again;
	bool closing, signal_closed;
	void (*closed)(void *arg);
	void *closed_arg;
};

static void log_lines(const char *lines)
{
	while (*lines) {
		size_t len = strcspn(lines, "\n");

		log_error("config", "%.*s", (int)len, lines);
		lines += len + (lines[len] == '\n');
	}
}

enum err reload_first(const char *path, struct config **out)
{
	struct buf report;
	enum err err;

	buf_init(&report, REPORT_MAX);
	err = config_load(path, out, &report);
	if (err == OK)
		log_setup((*out)->log.level, (*out)->log.format);
	else
		log_lines(buf_str(&report));
	buf_finish(&report);
	return err;
}

static void maybe_closed(struct reload *reload)
{
	void (*closed)(void *arg) = reload->closed;
	void *arg = reload->closed_arg;

	if (!reload->signal_closed || reload->reading)
		return;
	free(reload->path);
	free(reload);
	closed(arg);
}

static void on_pool(uv_work_t *work)
{
	struct reload *reload = work->data;

	config_load(reload->path, &reload->config, &reload->report);
}

static void begin(struct reload *reload);

static void on_read(uv_work_t *work, int status)
{
	struct reload *reload = work->data;
	struct config *config = reload->config;

	reload->reading = false;
	if (!config) {
		log_lines(buf_str(&reload->report));
		log_error("bot", "config refused as a whole, the old one stays");
	} else if (!reload->closing && reload->apply(config, reload->arg)) {
		log_setup(config->log.level, config->log.format);
		log_info("bot", "config reloaded");
	}
	config_unref(config);
	buf_finish(&reload->report);
	if (reload->closing) {
		maybe_closed(reload);
		return;
	}
	notify_ready();
	if (reload->again)
		begin(reload);
}

static void begin(struct reload *reload)
{
	reload->again = reload->reading;
	if (reload->reading)
		return;
	reload->reading = true;
	notify_reloading();
	reload->config = NULL;
	buf_init(&reload->report, REPORT_MAX);
	uv_queue_work(reload->loop, &reload->work, on_pool, on_read);
}

static void on_signal(uv_signal_t *signal, int number)
{
	begin(signal->data);
}

struct reload *reload_create(uv_loop_t *loop, const char *path,
        bool (*apply)(struct config *config, void *arg), void *arg)
{
	struct reload *reload = x_calloc(1, sizeof(*reload));

	reload->loop = loop;
	reload->path = x_strdup(path);
	reload->apply = apply;
	reload->arg = arg;
	reload->work.data = reload;
	uv_signal_init(loop, &reload->signal);
	reload->signal.data = reload;
	uv_signal_start(&reload->signal, on_signal, SIGHUP);
	return reload;
}

static void on_signal_closed(uv_handle_t *handle)
{
	struct reload *reload = handle->data;

	reload->signal_closed = true;
	maybe_closed(reload);
}

void reload_close(struct reload *reload, void (*closed)(void *arg), void *arg)
{
	assert(!reload->closing);
	reload->closing = true;
	reload->closed = closed;
	reload->closed_arg = arg;
	uv_close((uv_handle_t *)&reload->signal, on_signal_closed);
}

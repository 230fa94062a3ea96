/*
 * reload.c - see reload.h.
 */
#include <assert.h>
#include <signal.h>
#include <string.h>
#include <sys/queue.h>
#include "bot/base/alloc.h"
#include "bot/base/log.h"
#include "bot/config/secret.h"
#include "bot/loop/notify.h"
#include "bot/loop/reload.h"

#define REPORT_MAX (64 * 1024)

struct ask {
	reload_done_fn done;
	void *arg;
	STAILQ_ENTRY(ask) link; /* reload::asks, then reload::answers */
};

STAILQ_HEAD(asks, ask);

struct reload {
	uv_loop_t *loop;
	struct config
	        *started; /* its path is read, and keys that wait for a restart differ from it */
	enum err (*apply)(struct config *config, struct fault *fault, void *arg);
	void *arg;
	struct asks asks;    /* wait for the next reload */
	struct asks answers; /* answered by the reload in progress */
	uv_signal_t signal;
	uv_work_t work;
	struct config *config; /* used by the pool while it reads */
	struct buf report;     /* used by the pool while it reads */
	struct buf restart;    /* keys of the config just applied that wait for a restart */
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

static void reload_maybe_closed(struct reload *reload)
{
	void (*closed)(void *arg) = reload->closed;
	void *arg = reload->closed_arg;

	if (!reload->signal_closed || reload->reading)
		return;
	assert(STAILQ_EMPTY(&reload->asks) && STAILQ_EMPTY(&reload->answers));
	config_unref(reload->started);
	free(reload);
	closed(arg);
}

/* A token file that cannot be read would be noticed only when the token is needed again. */
static void reload_check_token(
        struct reload *reload, const char *section, const struct config_secret *secret)
{
	const struct config_secret file = {.file = secret->file};
	struct fault fault = {0};
	char *token = NULL;

	if (file.file && secret_read(&file, "token", &token, &fault) != OK)
		buf_printf(&reload->report, "[%s] token_file: %s\n", section, fault.text);
	x_wipe_free_str(token);
}

static void reload_on_pool(uv_work_t *work)
{
	struct reload *reload = work->data;

	if (config_load(reload->started->path, &reload->config, &reload->report) != OK)
		return;
	reload_check_token(reload, "matrix", &reload->config->matrix.token);
	reload_check_token(reload, "meta", &reload->config->meta.token);
}

static void reload_begin(struct reload *reload);

/* Applies the config that was read; on failure the report says why. */
static void reload_apply(struct reload *reload)
{
	struct config *config = reload->config;
	struct fault fault = {0};

	if (config && reload->report.len == 0 && reload->apply(config, &fault, reload->arg) != OK)
		buf_printf(&reload->report, "%s\n", fault.text);
	if (!config || reload->report.len > 0) {
		log_lines(buf_str(&reload->report));
		log_error("bot", "config rejected; keeping the previous configuration");
		notify_status("config rejected at the last reload, keeping the previous one: %s",
		        buf_str(&reload->report));
		return;
	}
	log_setup(config->log.level, config->log.format);
	config_name_restart_keys(reload->started, config, &reload->restart);
	if (reload->restart.len > 0) /* they must not look as if they were in force */
		log_warning("config", "restart required for %s", buf_str(&reload->restart));
	log_info("bot", "config reloaded");
}

static void reload_answer(struct reload *reload)
{
	struct ask *ask;

	while ((ask = STAILQ_FIRST(&reload->answers))) {
		STAILQ_REMOVE_HEAD(&reload->answers, link);
		ask->done(buf_str(&reload->report), buf_str(&reload->restart), ask->arg);
		free(ask);
	}
}

static void reload_on_read(uv_work_t *work, int status)
{
	struct reload *reload = work->data;

	reload->reading = false;
	if (reload->closing) {
		config_unref(reload->config);
		buf_finish(&reload->report);
		buf_finish(&reload->restart);
		reload_maybe_closed(reload);
		return;
	}
	reload_apply(reload);
	notify_ready();
	reload_answer(reload);
	config_unref(reload->config);
	buf_finish(&reload->report);
	buf_finish(&reload->restart);
	if (reload->again)
		reload_begin(reload);
}

static void reload_begin(struct reload *reload)
{
	reload->again = reload->reading;
	if (reload->reading)
		return;
	STAILQ_CONCAT(&reload->answers, &reload->asks);
	reload->reading = true;
	notify_reloading();
	reload->config = NULL;
	buf_init(&reload->report, REPORT_MAX);
	buf_init(&reload->restart, REPORT_MAX);
	uv_queue_work(reload->loop, &reload->work, reload_on_pool, reload_on_read);
}

static void reload_on_signal(uv_signal_t *signal, int number)
{
	reload_begin(signal->data);
}

void reload_ask(struct reload *reload, reload_done_fn done, void *arg)
{
	struct ask *ask = x_calloc(1, sizeof(*ask));

	ask->done = done;
	ask->arg = arg;
	STAILQ_INSERT_TAIL(&reload->asks, ask, link);
	reload_begin(reload);
}

struct reload *reload_create(uv_loop_t *loop, struct config *started,
        enum err (*apply)(struct config *config, struct fault *fault, void *arg), void *arg)
{
	struct reload *reload = x_calloc(1, sizeof(*reload));

	reload->loop = loop;
	reload->started = config_ref(started);
	reload->apply = apply;
	reload->arg = arg;
	STAILQ_INIT(&reload->asks);
	STAILQ_INIT(&reload->answers);
	reload->work.data = reload;
	uv_signal_init(loop, &reload->signal);
	reload->signal.data = reload;
	uv_signal_start(&reload->signal, reload_on_signal, SIGHUP);
	return reload;
}

static void on_signal_closed(uv_handle_t *handle)
{
	struct reload *reload = handle->data;

	reload->signal_closed = true;
	reload_maybe_closed(reload);
}

void reload_close(struct reload *reload, void (*closed)(void *arg), void *arg)
{
	assert(!reload->closing);
	reload->closing = true;
	reload->closed = closed;
	reload->closed_arg = arg;
	uv_close((uv_handle_t *)&reload->signal, on_signal_closed);
}

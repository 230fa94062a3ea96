/*
 * life.c - see life.h.
 */
#include "bot/loop/life.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/log.h"
#include "bot/base/zone.h"
#include "bot/config/secret.h"
#include "bot/loop/notify.h"

#define TIDY_MS (10 * CLOCK_SECOND_MS)

void life_prepare(void)
{
	signal(SIGPIPE, SIG_IGN); /* libcurl and sockets report EPIPE instead */
	signal(SIGHUP, SIG_IGN);  /* until reload.c handles it: the config is being read anyway */
	signal(SIGXFSZ, SIG_IGN); /* a file size limit is then reported like a full disk (EFBIG) */
	umask(0077);
}

int life_open_store(const char *area, const struct config *config, struct store **store)
{
	struct fault fault = {0};
	enum err err;

	zone_use(config->heartbeat.timezone);
	err = store_open(store, config->storage.database, &fault);
	if (err == OK)
		return EX_OK;
	log_error(area, "%s", fault.text);
	return err == ERR_BUSY ? EX_TEMPFAIL : EX_CANTCREAT;
}

static void life_on_signal(uv_signal_t *handle, int number)
{
	struct life *life = handle->data;

	log_info(life->area, "stopping on %s", number == SIGTERM ? "SIGTERM" : "SIGINT");
	life_stop(life, EX_OK);
}

static void on_watchdog(uv_timer_t *timer)
{
	notify_alive();
}

/* Cleans up after a flood: logs the counts of suppressed log lines, and returns unused memory to
 * the system. */
static void on_tidy(uv_timer_t *timer)
{
	log_flush(clock_monotonic_ms());
	x_alloc_trim();
}

static void life_start_signal(struct life *life, uv_signal_t *handle, int number)
{
	uv_signal_init(&life->loop, handle);
	handle->data = life;
	uv_signal_start(handle, life_on_signal, number);
}

void life_init(
        struct life *life, const char *area, const struct part *table, size_t len, void *owner)
{
	int64_t watchdog_ms = notify_watchdog_ms();

	life->area = area;
	life->parts = (struct parts){.table = table, .len = len, .owner = owner};
	if (uv_loop_init(&life->loop) != 0)
		abort();
	life_start_signal(life, &life->sigterm, SIGTERM);
	life_start_signal(life, &life->sigint, SIGINT);
	uv_timer_init(&life->loop, &life->watchdog);
	uv_timer_init(&life->loop, &life->tidy);
	uv_timer_start(&life->tidy, on_tidy, TIDY_MS, TIDY_MS);
	uv_timer_init(&life->loop, &life->deadline);
	life->deadline.data = life;
	if (watchdog_ms > 0)
		uv_timer_start(&life->watchdog, on_watchdog, 0, (uint64_t)watchdog_ms);
}

static void on_parts_closed(void *arg)
{
	struct life *life = arg;

	uv_close((uv_handle_t *)&life->sigterm, NULL);
	uv_close((uv_handle_t *)&life->sigint, NULL);
	uv_close((uv_handle_t *)&life->watchdog, NULL);
	uv_close((uv_handle_t *)&life->tidy, NULL);
	uv_close((uv_handle_t *)&life->deadline, NULL);
}

/* A thread that waits for a disk or for another process's lock cannot be stopped, so the process
 * exits without it. */
static void life_on_deadline(uv_timer_t *timer)
{
	const struct life *life = timer->data;

	log_warning(life->area, "%s does not end, exiting anyway; nothing is lost",
	        parts_closing(&life->parts));
	_exit(life->exit_code);
}

static void on_replaced(const char *message, void *arg)
{
	struct life *life = arg;

	if (!life_is_stopping(life))
		log_error(life->area,
		        "%s while it was in use; stopping, as nothing can be stored any more",
		        message);
	life_stop(life, EX_TEMPFAIL);
}

void life_follow_writer(struct life *life, struct writer *writer)
{
	writer_set_replaced(writer, on_replaced, life);
}

void life_stop(struct life *life, int exit_code)
{
	if (life_is_stopping(life))
		return;
	life->exit_code = exit_code;
	notify_stopping();
	secret_set_stopping(true);
	uv_timer_start(&life->deadline, life_on_deadline, LIFE_STOP_MS, 0);
	parts_close(&life->parts, on_parts_closed, life);
}

bool life_is_stopping(const struct life *life)
{
	return life->parts.ending;
}

int life_run(struct life *life, void (*opened)(void *owner))
{
	struct fault fault = {0};
	enum err err = parts_open(&life->parts, &fault);

	if (err != OK) {
		log_error(life->area, "%s", fault.text);
		life_stop(life, err == ERR_BUSY || err == ERR_FULL ? EX_TEMPFAIL : EX_CONFIG);
	} else {
		opened(life->parts.owner);
		notify_ready();
	}
	uv_run(&life->loop, UV_RUN_DEFAULT);
	log_flush(INT64_MAX);
	if (uv_loop_close(&life->loop) != 0) {
		log_error(life->area, "something was still open at the end");
		abort();
	}
	return life->exit_code;
}

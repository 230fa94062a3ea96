/*
 * life.c - see life.h.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sysexits.h>
#include "bot/base/log.h"
#include "bot/base/zone.h"
#include "bot/loop/life.h"
#include "bot/loop/notify.h"

void life_prepare(void)
{
	signal(SIGPIPE, SIG_IGN); /* libcurl and sockets report EPIPE instead */
	signal(SIGHUP, SIG_IGN);  /* until it reloads: what it asks for is being read just now */
	signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes is a full disk (EFBIG), not the end */
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

static void on_signal(uv_signal_t *handle, int number)
{
	struct life *life = handle->data;

	log_info(life->area, "stopping on %s", number == SIGTERM ? "SIGTERM" : "SIGINT");
	life->on_stop(life->arg);
}

static void on_watchdog(uv_timer_t *timer)
{
	notify_alive();
}

void life_init(struct life *life, const char *area, void (*on_stop)(void *arg), void *arg)
{
	life->area = area;
	life->on_stop = on_stop;
	life->arg = arg;
	if (uv_loop_init(&life->loop) != 0)
		abort();
}

static void start_signal(struct life *life, uv_signal_t *handle, int number)
{
	uv_signal_init(&life->loop, handle);
	handle->data = life;
	uv_signal_start(handle, on_signal, number);
}

void life_start(struct life *life)
{
	int64_t watchdog_ms = notify_watchdog_ms();

	start_signal(life, &life->sigterm, SIGTERM);
	start_signal(life, &life->sigint, SIGINT);
	uv_timer_init(&life->loop, &life->watchdog);
	if (watchdog_ms > 0)
		uv_timer_start(&life->watchdog, on_watchdog, 0, (uint64_t)watchdog_ms);
}

void life_close(struct life *life)
{
	uv_close((uv_handle_t *)&life->sigterm, NULL);
	uv_close((uv_handle_t *)&life->sigint, NULL);
	uv_close((uv_handle_t *)&life->watchdog, NULL);
}

void life_run(struct life *life)
{
	uv_run(&life->loop, UV_RUN_DEFAULT);
	if (uv_loop_close(&life->loop) != 0) {
		log_error(life->area, "the loop still had something open");
		abort();
	}
}

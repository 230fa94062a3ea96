/*
 * life.h - what the daemon and the watcher have around their loop: signals, systemd's watchdog, the
 * store at the start, and the loop's end.
 */
#pragma once

#include <uv.h>
#include "bot/config/config.h"
#include "storage/store.h"

struct life {
	uv_loop_t loop;
	const char *area; /* in the log */
	void (*on_stop)(void *arg);
	void *arg;
	uv_signal_t sigterm, sigint;
	uv_timer_t watchdog;
};

/* Before all else: which signals are ignored, and that files are private. */
void life_prepare(void);

/* Opens the config's database and takes over its time zone. EX_OK, or the process' exit code
 * after the reason was logged. */
int life_open_store(const char *area, const struct config *config, struct store **store);

/* area and arg are borrowed. */
void life_init(struct life *life, const char *area, void (*on_stop)(void *arg), void *arg);

/* From here on SIGTERM and SIGINT call on_stop(), each time, and the watchdog is fed. */
void life_start(struct life *life);

/* Lets go of the signals and the watchdog, so that the loop can end. */
void life_close(struct life *life);

/* Runs the loop until nothing is open any more. */
void life_run(struct life *life);

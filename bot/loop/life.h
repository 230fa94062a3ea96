/*
 * life.h - what the daemon and the watcher have in common: a loop with their parts on it, signals,
 * systemd's watchdog, the store at the start, and an end that comes in time.
 */
#pragma once

#include <uv.h>
#include "bot/config/config.h"
#include "bot/loop/parts.h"
#include "bot/loop/writer.h"
#include "storage/store.h"

/* From the signal to the end of the process, whatever does not answer. */
#define LIFE_STOP_MS 4500

struct life {
	uv_loop_t loop;
	const char *area; /* in the log */
	struct parts parts;
	int exit_code;
	uv_signal_t sigterm, sigint;
	uv_timer_t watchdog, tidy, deadline;
};

/* Before all else: which signals are ignored, and that files are private. */
void life_prepare(void);

/* Opens the config's database and takes over its time zone. EX_OK, or the process' exit code
 * after the reason was logged. */
int life_open_store(const char *area, const struct config *config, struct store **store);

/* The rows and the area are static. */
void life_init(
        struct life *life, const char *area, const struct part *table, size_t len, void *owner);

/*
 * Opens the parts, calls opened(owner), tells systemd, and runs the loop until nothing is open any
 * more. When a part cannot be created, those before it are closed again. Returns the process'
 * exit code.
 */
int life_run(struct life *life, void (*opened)(void *owner));

/* Begins to close the parts, as SIGTERM and SIGINT do; the second time nothing happens. What is
 * not closed LIFE_STOP_MS later is left to the kernel: all that was promised is on disk. */
/* Stops when the writer finds the database replaced or deleted, so that the next start opens what
 * is there then. */
void life_follow_writer(struct life *life, struct writer *writer);
void life_stop(struct life *life, int exit_code);
bool life_is_stopping(const struct life *life);

/*
 * life.h - what the daemon and the watcher share: an event loop with their parts (parts.h),
 * signals, systemd's watchdog, opening the store, and a stop with a time limit.
 */
#pragma once

#include <uv.h>
#include "bot/config/config.h"
#include "bot/loop/parts.h"
#include "bot/loop/writer.h"
#include "storage/store.h"

/* Longest time from the signal to the end of the process, ms, even if a part does not close. */
#define LIFE_STOP_MS 4500

struct life {
	uv_loop_t loop;
	const char *area; /* prefix in the log */
	struct parts parts;
	int exit_code;
	uv_signal_t sigterm, sigint;
	uv_timer_t watchdog, tidy, deadline;
};

/* Call first: ignores signals and sets a private umask. */
void life_prepare(void);

/* Opens the config's database and sets the config's time zone. Returns EX_OK, or the process's
 * exit code after the reason was logged. */
int life_open_store(const char *area, const struct config *config, struct store **store);

/* table and area are static, owner is borrowed. */
void life_init(
        struct life *life, const char *area, const struct part *table, size_t len, void *owner);

/*
 * Opens the parts, calls opened(owner), notifies systemd, and runs the loop until all parts are
 * closed. When a part cannot be created, those before it are closed again. Returns the process's
 * exit code.
 */
int life_run(struct life *life, void (*opened)(void *owner));

/* Stops the process when the writer finds the database replaced or deleted, so that the next start
 * opens what exists then. */
void life_follow_writer(struct life *life, struct writer *writer);
/* Begins to close the parts, as SIGTERM and SIGINT do; further calls have no effect. What is not
 * closed LIFE_STOP_MS later is abandoned, since everything that was confirmed to clients is on
 * disk. */
void life_stop(struct life *life, int exit_code);
bool life_is_stopping(const struct life *life);

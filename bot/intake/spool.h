/*
 * spool.h - the folder where matrix-send-message leaves alerts while the daemon is down.
 *
 * Files are named NANOSECONDS-PID-COUNT.json so that their names sort by time, written under a
 * temporary name, fsynced, renamed, and the folder fsynced. The reader hands them on in order,
 * one at a time, and deletes a file once its alert is committed; a file that is no valid alert
 * is renamed to *.bad and told in the log. The file's name is the alert's id when it has none,
 * so that a crash between commit and delete doubles nothing.
 */
#pragma once

#include <jansson.h>
#include <uv.h>
#include "bot/base/err.h"

/* Writes one request (used by matrix-send-message). name receives the file's name. */
enum err spool_write(const char *folder, const json_t *request, char name[64],
	struct fault *fault);

struct spool;
struct spool_events {
	/* One request; spool_done() must follow for the next to come. `request` is borrowed. */
	void (*on_request)(const json_t *request, void *arg);
	void *arg;
};

/* Watches the folder (created 0700 when missing) and hands on what is there and what comes. */
enum err spool_create(struct spool **out, uv_loop_t *loop, const char *folder,
	const struct spool_events *events, struct fault *fault);
/* OK: taken in, delete it. ERR_INVALID: set it aside as *.bad. Else: keep, try again later. */
void spool_done(struct spool *spool, enum err result, const char *message);
void spool_close(struct spool *spool, void (*closed)(void *arg), void *arg);

/*
 * spool.h - the folder where matrix-send-message leaves alerts while the daemon is down.
 *
 * Files are named NANOSECONDS-PID-COUNT.json so that their names sort by time, written under a
 * temporary name, fsynced, renamed, and the folder fsynced. The reader hands them on in order,
 * one at a time, and deletes a file once its alert is committed; a file that is no valid alert
 * is renamed to *.bad and told in the log. The file's name is the alert's id when it has none,
 * so that a crash between commit and delete doubles nothing, and the time it was written is the
 * alert's `at`. The writing side is in
 * bot/client/spool_write.h.
 */
#pragma once

#include <jansson.h>
#include <uv.h>
#include "bot/base/err.h"

#define SPOOL_RESCAN_MS 5000 /* the folder is also looked at this often, and a failure retried */

struct spool;
struct spool_events {
	/* One request; spool_done() must follow for the next to come. `request` is borrowed. */
	void (*on_request)(const json_t *request, void *arg);
	void *arg;
};

/* Watches the folder (created 0700 when missing) and hands on what is there and what comes. */
enum err spool_create(struct spool **out, uv_loop_t *loop, const char *folder,
        const struct spool_events *events, struct fault *fault);
/* OK: taken in, delete it. ERR_INVALID: rename it to *.bad. ERR_CORRUPT, ERR_DAMAGED: that may be
 * about this one alone; keep, go on, try again later, and rename it if that goes on while others
 * are taken in. Else: keep, try again later; what comes after it waits. May be called inside
 * on_request(). */
void spool_done(struct spool *spool, enum err result, const char *message);
/* Files in the folder that were set aside as *.bad, as of the last look. */
unsigned spool_bad(const struct spool *spool);
/* Hands on no more; closed(arg) comes after the spool_done() of what is in hand. */
void spool_close(struct spool *spool, void (*closed)(void *arg), void *arg);

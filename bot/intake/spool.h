/*
 * spool.h - the folder where matrix-send-message leaves alerts while the daemon is down.
 *
 * Files are named NANOSECONDS-PID-COUNT.json so that their names sort by time, written under a
 * temporary name, fsynced, renamed, and the folder fsynced. The reader passes them on one at a
 * time, those of an owner in order and the owners in fair turns, and deletes a file once its alert
 * is committed; a file that is not a valid alert is renamed to *.bad and logged. An alert without
 * an id gets the file's name as its id, so that a crash between commit and delete creates no
 * duplicate; one without `at` gets the time at which the file was written. The writing side is in
 * bot/client/spool_write.h. A listing costs each name in the folder, and serves for thousands of
 * files.
 */
#pragma once

#include <jansson.h>
#include <uv.h>
#include "bot/base/err.h"

#define SPOOL_RESCAN_MS 5000 /* interval of listings without inotify events, and of retries */
#define SPOOL_OLD_MS 500     /* and while files are passed on, so that new ones get their turn */

struct spool;
struct spool_events {
	/* One request, borrowed. The next one follows only after spool_done(). */
	void (*on_request)(const json_t *request, void *arg);
	void *arg;
};

/* Watches the folder (created 0700 when missing) and passes on existing and new files. */
enum err spool_create(struct spool **out, uv_loop_t *loop, const char *folder,
        const struct spool_events *events, struct fault *fault);
/* OK: accepted, delete the file. ERR_INVALID: rename it to *.bad. ERR_CORRUPT, ERR_DAMAGED: may
 * concern this file alone; keep it, continue, try again later, and rename it if it keeps failing
 * while others are accepted. Otherwise: keep it and try again later; the files after it wait. May
 * be called inside on_request(). */
void spool_done(struct spool *spool, enum err result, const char *message);
/* Number of *.bad files in the folder at the last listing. */
unsigned spool_bad(const struct spool *spool);
/* Passes on no more requests; closed(arg) is called after the pending spool_done(). */
void spool_close(struct spool *spool, void (*closed)(void *arg), void *arg);

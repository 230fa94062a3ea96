/*
 * writer.h - grouped durable commits: jobs from the loop run on the writer's own thread, in one
 * transaction at a time.
 *
 * Happy path: writer_submit() queues a job; when no batch is running, all queued jobs become one
 * batch: BEGIN, each job's work() inside its own savepoint, then the `tail` jobs, COMMIT (one
 * fsync), and back on the loop done() is called for each job, in order. Jobs that arrive meanwhile
 * make the next batch. A job whose work() returns an error is rolled back alone. When the commit
 * fails, every done() of the batch gets that error and nothing is stored.
 *
 * writer_submit_lazily() is for what nobody waits for: such jobs begin no batch before their time
 * has come, but come first in the next batch whatever begins it. So no other job ever finds the
 * store without them, and what is stored soon anyway costs no fsync of its own.
 *
 * done() runs exactly once for each submitted job, never before writer_submit() returns, also when
 * closing, since queued jobs still run. done() may submit again, also while closing. work() must
 * not access anything that the loop uses. message says why result is not OK, else "".
 */
#pragma once

#include <stdint.h>
#include <uv.h>
#include "storage/store.h"

struct writer;
struct writer_job;

typedef enum err (*writer_work_fn)(struct store *store, void *arg); /* on the writer's thread */
typedef void (*writer_done_fn)(enum err result, const char *message, void *arg); /* on the loop */

/* The store is borrowed and must outlive the writer. NULL when no thread or file descriptor is
 * available. */
struct writer *writer_create(uv_loop_t *loop, struct store *store);

/* Called on the loop for each batch that found the database replaced or deleted (ERR_REPLACED, see
 * storage/store.h), before its done() calls: the process should end. */
typedef void (*writer_replaced_fn)(const char *message, void *arg);
void writer_set_replaced(struct writer *writer, writer_replaced_fn on_replaced, void *arg);

/* Runs work at once, in the caller's thread and in no transaction: for what is read at the start,
 * before the loop turns. Not allowed while a batch is running. */
enum err writer_read_now(struct writer *writer, writer_work_fn work, void *arg);

void writer_submit(struct writer *writer, writer_work_fn work, writer_done_fn done, void *arg);
/* As writer_submit(), but the job runs after all ordinary jobs of its batch. */
void writer_submit_tail(struct writer *writer, writer_work_fn work, writer_done_fn done, void *arg);

/* As writer_submit(), but the job runs before all others of the next batch, which it makes begin
 * within_ms from now at the latest. Closing does not wait for that. */
void writer_submit_lazily(struct writer *writer, int64_t within_ms, writer_work_fn work,
        writer_done_fn done, void *arg);
/* Begins a batch for the lazy jobs now. */
void writer_hurry(struct writer *writer);

/* As writer_submit(), but begin(arg) is called on the loop when the batch starts, so that the
 * job's work can be chosen as late as possible. begin() must not submit. */
void writer_submit_late(struct writer *writer, void (*begin)(void *arg), writer_work_fn work,
        writer_done_fn done, void *arg);

/* Number of jobs queued or running. */
unsigned writer_pending(const struct writer *writer);

/* Number of finished batches. */
uint64_t writer_batches(const struct writer *writer);

/* Runs the queued jobs, then calls closed(arg) once and frees the writer. */
void writer_close(struct writer *writer, void (*closed)(void *arg), void *arg);

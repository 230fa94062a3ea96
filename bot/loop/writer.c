/*
 * writer.c - grouped durable commits; see writer.h.
 *
 * Two owners: the loop owns the queues; a batch belongs to the writer's thread from the post of
 * `begin` until on_batch(), and nothing else accesses it meanwhile. The writer has its own thread
 * so that alerts are stored and answered even when libuv's pool is busy. A batch starts from an
 * idle handle and not in writer_submit() itself, so that all jobs of one turn of the loop share one
 * fsync; an idle handle also keeps the loop from blocking before that.
 *
 * Lazy jobs begin a batch only once their timer or writer_hurry() says so; they run first in any.
 *
 * When nothing was written for a while, a job makes the store rest: it frees the caches that it
 * can rebuild. What the regular looks at it fill again is freed as soon as they are over.
 *
 * Failure modes: work() fails - it is rolled back to its savepoint, the other jobs are kept;
 * BEGIN, COMMIT or that rollback fails (a full disk may end the whole transaction) - nothing is
 * stored, and every done() of the batch gets that code.
 */
#include "bot/loop/writer.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include "bot/base/alloc.h"

#define REST_MS 10000
#define REST_AGAIN_MS 200 /* after what only read, while it rests */

struct writer_job {
	struct writer_job *next;
	void (*begin)(void *arg); /* or NULL */
	writer_work_fn work;
	writer_done_fn done;
	void *arg;
	enum err result;
	char message[256]; /* of a failure */
};

struct writer_queue {
	struct writer_job *first, **end; /* end: where the next one is appended; NULL when empty */
};

struct writer {
	struct store *store;
	uv_idle_t start; /* active while jobs wait and no batch is running */
	uv_async_t end;  /* a batch has ended; the only handle that keeps the loop alive */
	uv_timer_t rest; /* makes the store rest */
	uv_timer_t lazy; /* active while lazy jobs wait and are not due */
	bool lazy_due;
	uv_sem_t begin; /* posted by the loop for a batch; without one the thread ends */
	uv_sem_t ready; /* posted by the thread once it has its arena */
	uv_thread_t thread;
	atomic_bool ended; /* the batch has ended; set by the thread before it wakes the loop */
	struct writer_queue lazies, jobs, tail; /* the loop's */
	struct writer_job *batch;               /* the thread's while `running` */
	bool running, closing;
	bool resting;  /* the store is made to rest, which needs no rest after it */
	bool replaced; /* the thread's while `running`: the batch found the database replaced */
	bool wrote;    /* the thread's while `running`: the batch changed something */
	writer_replaced_fn on_replaced; /* or NULL */
	void *replaced_arg;
	unsigned handles; /* not yet closed */
	unsigned pending;
	uint64_t batches;
	void (*closed)(void *arg);
	void *closed_arg;
};

static void queue_push(struct writer_queue *queue, struct writer_job *job)
{
	if (!queue->first)
		queue->end = &queue->first;
	*queue->end = job;
	queue->end = &job->next;
}

/* Moves all jobs to the end of another queue. */
static void queue_append(struct writer_queue *queue, struct writer_queue *from)
{
	if (!from->first)
		return;
	if (!queue->first)
		queue->end = &queue->first;
	*queue->end = from->first;
	queue->end = from->end;
	from->first = NULL;
}

/* Takes all jobs out of the queues: the lazy ones, the ordinary ones, the tail jobs. */
static struct writer_job *queues_take(struct writer *writer)
{
	struct writer_queue all = {0};

	queue_append(&all, &writer->lazies);
	queue_append(&all, &writer->jobs);
	queue_append(&all, &writer->tail);
	return all.first;
}

static void job_fail(struct writer_job *job, enum err err, const char *message)
{
	job->result = err;
	snprintf(job->message, sizeof(job->message), "%s", message);
}

/* Runs one job in a savepoint. Not OK: the whole transaction has failed. */
static enum err job_run(struct store *store, struct writer_job *job)
{
	enum err err = store_savepoint(store);

	if (err != OK)
		return err;
	job->result = job->work(store, job->arg);
	if (job->result == OK)
		return store_release(store);
	job_fail(job, job->result,
	        store_message(store)[0] ? store_message(store) : err_text(job->result));
	return store_undo(store);
}

static void batch_run(struct writer *writer)
{
	struct store *store = writer->store;
	int64_t before = store_changes(store);
	enum err err = store_begin(store);

	for (struct writer_job *job = writer->batch; err == OK && job; job = job->next)
		err = job_run(store, job);
	if (err == OK)
		err = store_commit(store);
	else
		store_rollback(store);
	if (err != OK)
		for (struct writer_job *job = writer->batch; job; job = job->next)
			job_fail(job, err, store_message(store));
	writer->replaced = err == ERR_REPLACED;
	writer->wrote = store_changes(store) != before;
}

static void writer_thread(void *arg)
{
	struct writer *writer = arg;

	x_alloc_take_arena();
	uv_sem_post(&writer->ready);
	for (;;) {
		uv_sem_wait(&writer->begin);
		if (!writer->batch)
			return;
		batch_run(writer);
		writer->ended = true;
		uv_async_send(&writer->end);
	}
}

static void writer_end_thread(struct writer *writer)
{
	uv_sem_post(&writer->begin); /* without a batch, so that the thread ends */
	uv_thread_join(&writer->thread);
	uv_sem_destroy(&writer->begin);
	uv_sem_destroy(&writer->ready);
}

static void writer_on_handle_closed(uv_handle_t *handle)
{
	struct writer *writer = handle->data;
	void (*closed)(void *arg) = writer->closed;
	void *arg = writer->closed_arg;

	if (--writer->handles > 0)
		return;
	free(writer);
	closed(arg);
}

static void writer_maybe_close(struct writer *writer)
{
	if (!writer->closing || writer->pending > 0)
		return;
	writer_end_thread(writer);
	writer->handles = 4;
	uv_close((uv_handle_t *)&writer->start, writer_on_handle_closed);
	uv_close((uv_handle_t *)&writer->lazy, writer_on_handle_closed);
	uv_close((uv_handle_t *)&writer->rest, writer_on_handle_closed);
	uv_close((uv_handle_t *)&writer->end, writer_on_handle_closed);
}

static void on_start(uv_idle_t *handle);

static void writer_start_soon(struct writer *writer)
{
	bool due = writer->lazies.first && (writer->lazy_due || writer->closing);

	if (!writer->running && (due || writer->jobs.first || writer->tail.first))
		uv_idle_start(&writer->start, on_start); /* cannot fail with a callback */
}

void writer_hurry(struct writer *writer)
{
	writer->lazy_due = writer->lazies.first;
	writer_start_soon(writer);
}

static void writer_on_lazy(uv_timer_t *timer)
{
	writer_hurry(timer->data);
}

static enum err writer_rest_work(struct store *store, void *arg)
{
	store_rest(store);
	x_alloc_trim();
	return OK;
}

static void writer_rest_done(enum err result, const char *message, void *arg)
{
}

static void writer_on_rest(uv_timer_t *timer)
{
	struct writer *writer = timer->data;

	if (writer->closing)
		return;
	writer->resting = true;
	writer_submit(writer, writer_rest_work, writer_rest_done, NULL);
}

static void on_batch(uv_async_t *handle)
{
	struct writer *writer = handle->data;
	struct writer_job *job;

	if (!atomic_exchange(&writer->ended, false))
		return;
	job = writer->batch;
	writer->batch = NULL;
	writer->batches++;
	if (writer->replaced && writer->on_replaced)
		writer->on_replaced(job->message, writer->replaced_arg);
	while (job) {
		struct writer_job *next = job->next;

		/* before done(), which may submit, close, or call writer_pending() */
		writer->pending--;
		job->done(job->result, job->message, job->arg);
		free(job);
		job = next;
	}
	writer->running = false;
	uv_unref((uv_handle_t *)handle);
	if (writer->wrote)
		uv_timer_start(&writer->rest, writer_on_rest, REST_MS, 0);
	else if (!writer->resting && !uv_is_active((uv_handle_t *)&writer->rest))
		uv_timer_start(&writer->rest, writer_on_rest, REST_AGAIN_MS, 0);
	writer->resting = false;
	writer_start_soon(writer);
	writer_maybe_close(writer);
}

static void on_start(uv_idle_t *handle)
{
	struct writer *writer = handle->data;

	uv_idle_stop(handle);
	uv_timer_stop(&writer->lazy);
	writer->lazy_due = false;
	writer->running = true;
	writer->batch = queues_take(writer);
	for (struct writer_job *job = writer->batch; job; job = job->next)
		if (job->begin)
			job->begin(job->arg);
	uv_ref((uv_handle_t *)&writer->end);
	uv_sem_post(&writer->begin);
}

struct writer *writer_create(uv_loop_t *loop, struct store *store)
{
	struct writer *writer = x_calloc(1, sizeof(*writer));

	writer->store = store;
	if (uv_sem_init(&writer->begin, 0) != 0 || uv_sem_init(&writer->ready, 0) != 0)
		abort(); /* fails only for a value that is too large */
	if (uv_thread_create(&writer->thread, writer_thread, writer) != 0) {
		uv_sem_destroy(&writer->begin);
		uv_sem_destroy(&writer->ready);
		free(writer);
		return NULL;
	}
	uv_sem_wait(&writer->ready); /* before other threads are created, which would take it */
	if (uv_async_init(loop, &writer->end, on_batch) != 0) {
		writer_end_thread(writer);
		free(writer);
		return NULL;
	}
	uv_idle_init(loop, &writer->start); /* always succeeds */
	uv_timer_init(loop, &writer->rest); /* always succeeds */
	uv_timer_init(loop, &writer->lazy); /* always succeeds */
	writer->start.data = writer->end.data = writer->rest.data = writer->lazy.data = writer;
	uv_unref((uv_handle_t *)&writer->end);
	uv_unref((uv_handle_t *)&writer->rest);
	return writer;
}

void writer_set_replaced(struct writer *writer, writer_replaced_fn on_replaced, void *arg)
{
	writer->on_replaced = on_replaced;
	writer->replaced_arg = arg;
}

enum err writer_read_now(struct writer *writer, writer_work_fn work, void *arg)
{
	assert(!writer->running);
	return work(writer->store, arg);
}

static void writer_queue_job(struct writer *writer, struct writer_queue *queue,
        void (*begin)(void *arg), writer_work_fn work, writer_done_fn done, void *arg)
{
	struct writer_job *job = x_calloc(1, sizeof(*job));

	assert(!uv_is_closing((uv_handle_t *)&writer->start));
	job->begin = begin;
	job->work = work;
	job->done = done;
	job->arg = arg;
	queue_push(queue, job);
	writer->pending++;
	writer_start_soon(writer);
}

void writer_submit(struct writer *writer, writer_work_fn work, writer_done_fn done, void *arg)
{
	writer_queue_job(writer, &writer->jobs, NULL, work, done, arg);
}

void writer_submit_lazily(struct writer *writer, int64_t within_ms, writer_work_fn work,
        writer_done_fn done, void *arg)
{
	uint64_t wait_ms = within_ms > 0 ? (uint64_t)within_ms : 0;

	writer_queue_job(writer, &writer->lazies, NULL, work, done, arg);
	if (!uv_is_active((uv_handle_t *)&writer->lazy) ||
	        uv_timer_get_due_in(&writer->lazy) > wait_ms)
		uv_timer_start(&writer->lazy, writer_on_lazy, wait_ms, 0);
}

void writer_submit_late(struct writer *writer, void (*begin)(void *arg), writer_work_fn work,
        writer_done_fn done, void *arg)
{
	writer_queue_job(writer, &writer->jobs, begin, work, done, arg);
}

void writer_submit_tail(struct writer *writer, writer_work_fn work, writer_done_fn done, void *arg)
{
	writer_queue_job(writer, &writer->tail, NULL, work, done, arg);
}

unsigned writer_pending(const struct writer *writer)
{
	return writer->pending;
}

uint64_t writer_batches(const struct writer *writer)
{
	return writer->batches;
}

void writer_close(struct writer *writer, void (*closed)(void *arg), void *arg)
{
	assert(!writer->closing);
	writer->closing = true;
	writer->closed = closed;
	writer->closed_arg = arg;
	writer_start_soon(writer);
	if (!writer->running)
		writer_maybe_close(writer);
}

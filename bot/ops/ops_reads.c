/*
 * ops_reads.c - requests that may read much, such as commands, run one at a time, first come, first
 * served: writer jobs that are queued together form one batch, and the alerts among them would wait
 * for all of them. Since a connection has at most one such request in progress, clients take turns.
 */
#include "bot/ops/ops_internal.h"

static void reads_run(struct ops *ops);

static enum err ops_read_work(struct store *store, void *arg)
{
	const struct ops_read *read = arg;

	return read->work(store, read->arg);
}

/* done() frees the read. */
static void ops_read_done(enum err result, const char *message, void *arg)
{
	struct ops_read *read = arg;
	struct ops *ops = read->ops;

	ops->read_running = false;
	read->done(result, message, read->arg);
	reads_run(ops);
	ops_job_done(ops);
}

/* Runs the next one whose result is still wanted. */
static void reads_run(struct ops *ops)
{
	struct ops_read *read;

	while (!ops->read_running && (read = STAILQ_FIRST(&ops->reads))) {
		STAILQ_REMOVE_HEAD(&ops->reads, link);
		if (!read->changes && reply_is_gone(read->reply)) {
			read->done(ERR_CANCELED, "the client closed the connection", read->arg);
			ops_job_done(ops);
			continue;
		}
		ops->read_running = true;
		writer_submit(ops->env.writer, ops_read_work, ops_read_done, read);
	}
}

void ops_read(struct ops *ops, struct ops_read *read)
{
	read->ops = ops;
	reply_alone(read->reply);
	STAILQ_INSERT_TAIL(&ops->reads, read, link);
	ops->jobs++;
	reads_run(ops);
}

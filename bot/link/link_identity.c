/*
 * link_identity.c - see link_internal.h. Happy path: the token's user and device are compared with
 * what is stored, or stored the first time, in a writer job that also reads the other modules'
 * initial values; then the link goes online. A different device or user is fatal. A failed job is
 * retried on the link's timer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/log.h"
#include "bot/link/link_internal.h"

static enum err identity_read(struct store *store, const char *name, char **value)
{
	enum err err = state_get(store, name, value);

	return err == ERR_NOT_FOUND ? OK : err;
}

static bool identity_same(const struct identity_job *job)
{
	return (!job->stored_device || strcmp(job->stored_device, job->device_id) == 0 ||
	               job->new_device) &&
	       (!job->stored_user || strcmp(job->stored_user, job->user_id) == 0);
}

/* A value that is stored already costs no commit. */
static enum err identity_store(
        struct store *store, const char *name, const char *stored, const char *value)
{
	return stored && strcmp(stored, value) == 0 ? OK : state_set(store, name, value);
}

static enum err identity_load(struct store *store, void *arg)
{
	struct identity_job *job = arg;
	char *settled = NULL;
	enum err err = identity_read(store, "device_id", &job->stored_device);

	if (err == OK)
		err = identity_read(store, "user_id", &job->stored_user);
	if (err == OK)
		err = identity_read(store, LINK_PROOF, &job->stored_proof);
	if (err == OK)
		err = identity_read(store, "sync.since", &job->since);
	if (err == OK)
		err = identity_read(store, LINK_SETTLED, &settled);
	if (err == OK && settled)
		job->settled = json_loads(settled, 0, NULL);
	free(settled);
	return err == OK ? rooms_encrypted(store, &job->encrypted, &job->encrypted_len) : err;
}

static enum err identity_work(struct store *store, void *arg)
{
	struct identity_job *job = arg;
	enum err err = identity_load(store, job);

	if (err == OK && identity_same(job))
		err = identity_store(store, "device_id", job->stored_device, job->device_id);
	if (err == OK && identity_same(job))
		err = identity_store(store, "user_id", job->stored_user, job->user_id);
	if (err == OK && identity_same(job))
		err = identity_store(store, LINK_PROOF, job->stored_proof, job->proof);
	return err;
}

/* Frees what was read, since the next try reads it again. */
static void identity_reset(struct identity_job *job)
{
	room_rows_free(job->encrypted, job->encrypted_len);
	free(job->stored_user);
	free(job->stored_device);
	free(job->stored_proof);
	free(job->since);
	json_decref(job->settled);
	job->settled = NULL;
	job->encrypted = NULL;
	job->encrypted_len = 0;
	job->stored_user = job->stored_device = job->stored_proof = job->since = NULL;
}

void identity_free(struct identity_job *job)
{
	if (!job)
		return;
	identity_reset(job);
	free(job->user_id);
	free(job->device_id);
	free(job->proof);
	free(job);
}

/* Retries later. The cause may be a full disk: meanwhile alerts are answered, and space may become
 * free. */
static void identity_wait(struct identity_job *job, const char *message)
{
	struct link *link = job->link;
	char text[sizeof(link->problem)];

	snprintf(text, sizeof(text), "cannot store the identity: %.200s", message);
	if (link->failures++ == 0)
		log_error("link", "%s", text);
	link_problem_set(link, text);
	identity_reset(job);
	link->identity = job;
	link_retry(link);
}

static void identity_done(enum err result, const char *message, void *arg)
{
	struct identity_job *job = arg;
	struct link *link = job->link;
	char text[1024];

	if (link->closing)
		goto out;
	if (result != OK) {
		identity_wait(job, message);
		job = NULL;
		goto out;
	}
	if (link->failures > 0) /* the problem that is shown was this job's */
		link->told = false;
	link->failures = 0;
	if (strcmp(job->user_id, link->config->matrix.user) != 0) {
		snprintf(text, sizeof(text),
		        "the token belongs to %s, but [matrix] user is %s: store the right token, "
		        "or correct [matrix] user",
		        job->user_id, link->config->matrix.user);
		link->events.on_fatal(text, link->events.arg);
	} else if (!identity_same(job)) {
		snprintf(text, sizeof(text),
		        "the token belongs to device %s of %s, this database to device %s of %s. "
		        "Store the old device's token again; or, if you did log in anew, start "
		        "once "
		        "with: run --accept-new-device",
		        job->device_id, job->user_id, job->stored_device ? job->stored_device : "?",
		        job->stored_user ? job->stored_user : "?");
		link->events.on_fatal(text, link->events.arg);
	} else {
		link_go_online(link, job);
	}
out:
	identity_free(job);
	link_job_ended(link);
}

void identity_submit(struct identity_job *job)
{
	job->link->jobs++;
	writer_submit(job->link->options.writer, identity_work, identity_done, job);
}

void identity_read_stored(struct link *link)
{
	struct identity_job *job = x_calloc(1, sizeof(*job));

	job->link = link;
	job->new_device = link->options.new_device;
	if (writer_read_now(link->options.writer, identity_load, job) == OK)
		link->stored = job;
	else
		identity_free(job);
}

void identity_begin(
        struct link *link, const char *user_id, const char *device_id, const char *token)
{
	struct identity_job *job = x_calloc(1, sizeof(*job));

	job->link = link;
	job->user_id = x_strdup(user_id);
	job->device_id = x_strdup(device_id);
	job->proof = link_prove_token(link, token, user_id, device_id);
	job->new_device = link->options.new_device;
	identity_free(link->identity);
	link->identity = NULL;
	uv_timer_stop(&link->timer);
	identity_submit(job);
}

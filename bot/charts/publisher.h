/*
 * publisher.h - draws the charts that were asked for (storage/chart_rows.h), uploads them, and puts
 * them into the delivery queue: one at a time, in order.
 *
 * Happy path: publisher_poke() reads the next row in a writer job; a pool thread reads the figures
 * through a connection of its own, draws, and encrypts for an encrypted room; the picture is
 * uploaded; another writer job puts its event into the queue and deletes the row (chart_post()). So
 * a crash uploads a picture again at most, and never posts one twice.
 * Failures: a temporary one is tried again with backoff, and charts behind it go on; a refusal, or
 * too many tries, gives the figures in words with the reason.
 */
#pragma once

#include <uv.h>
#include "bot/delivery/courier.h"

struct publisher;

struct publisher_env {
	uv_loop_t *loop;
	struct writer *writer;   /* borrowed */
	struct courier *courier; /* borrowed */
	/* Borrowed until the loop's next event; NULL = not online. */
	struct mx *(*mx)(void *arg);
	const struct rooms *(*rooms)(void *arg);
	void *arg;
};

struct publisher *publisher_create(const struct publisher_env *env, struct config *config);
void publisher_configure(struct publisher *publisher, struct config *config);
/* There may be a new one. */
void publisher_poke(struct publisher *publisher);
/* What is under way is done again after the next start. Calls closed(arg) once and frees. */
void publisher_close(struct publisher *publisher, void (*closed)(void *arg), void *arg);

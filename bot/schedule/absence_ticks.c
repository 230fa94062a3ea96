/*
 * absence_ticks.c - see absence_ticks.h.
 */
#include "bot/schedule/absence_ticks.h"

#include <assert.h>
#include <jansson.h>
#include <stdio.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/log.h"
#include "handlers/heartbeats/absence_room.h"

#define EVERY_MS (5 * CLOCK_SECOND_MS)
#define PROBLEM_MAX 512

struct absence_ticks {
	struct absence_ticks_env env;
	struct config *config;
	uv_timer_t timer;
	bool stored;     /* a /sync answer was stored in this run */
	bool saw, first; /* collected for the next tick, see struct absence_look */
	bool ticking;    /* a tick is in progress */
	unsigned jobs;   /* writer jobs not done */
	bool closing, timer_closed;
	void (*closed)(void *arg);
	void *closed_arg;
};

struct tick {
	struct absence_ticks *ticks;
	struct config *config; /* referenced by the loop */
	struct absence_look look;
	char problem[PROBLEM_MAX];
	json_t *texts;
};

static void absence_ticks_begin(struct absence_ticks *ticks);

static void absence_ticks_maybe_closed(struct absence_ticks *ticks)
{
	void (*closed)(void *arg) = ticks->closed;
	void *arg = ticks->closed_arg;

	if (!ticks->timer_closed || ticks->jobs > 0)
		return;
	config_unref(ticks->config);
	free(ticks);
	closed(arg);
}

static void absence_ticks_job_done(struct absence_ticks *ticks)
{
	ticks->jobs--;
	if (ticks->closing)
		absence_ticks_maybe_closed(ticks);
}

/* The room of the heartbeat, or NULL. */
static const struct room *absence_ticks_room(const struct absence_ticks *ticks)
{
	const struct rooms *rooms = link_rooms(ticks->env.link);

	return rooms ? rooms_get(rooms, ticks->config->heartbeat.room) : NULL;
}

/* Why the room cannot be observed, "" = it can be. */
static const char *absence_ticks_problem(const struct absence_ticks *ticks)
{
	const struct room *room = absence_ticks_room(ticks);
	const char *problem = link_problem(ticks->env.link);

	if (problem[0])
		return problem;
	if (!room || (!room->ready && !room->problem[0]))
		return "the room is not joined yet";
	if (room->ready && room->encrypted) /* it must be decrypted, too */
		return vault_problem(link_vault(ticks->env.link));
	return room->problem;
}

static bool absence_ticks_sees(const struct absence_ticks *ticks)
{
	const struct room *room = absence_ticks_room(ticks);

	return room && room->ready &&
	       (!room->encrypted || !vault_problem(link_vault(ticks->env.link))[0]);
}

static enum err tick_work(struct store *store, void *arg)
{
	struct tick *tick = arg;
	struct deliver d = {.store = store, .config = tick->config, .now_ms = clock_now_ms()};

	return absence_tick(&d, &tick->look, &tick->texts);
}

static enum err told_work(struct store *store, void *arg)
{
	return absence_told(store);
}

static void told_done(enum err result, const char *message, void *arg)
{
	if (result != OK)
		log_seldom(
		        LOG_ERROR, "watch", "", "could not store what was reported: %s", message);
	absence_ticks_job_done(arg);
}

static void absence_ticks_tell(struct absence_ticks *ticks, const json_t *texts)
{
	const json_t *text;
	size_t i;

	json_array_foreach(texts, i, text)
	{
		meta_raise(ticks->env.meta, json_string_value(text));
	}
	ticks->jobs++;
	writer_submit(ticks->env.writer, told_work, told_done, ticks);
	courier_poke(ticks->env.courier);
}

static void tick_done(enum err result, const char *message, void *arg)
{
	struct tick *tick = arg;
	struct absence_ticks *ticks = tick->ticks;

	ticks->ticking = false;
	if (result != OK) {
		log_seldom(LOG_ERROR, "watch", "", "could not check the heartbeat: %s", message);
		ticks->saw = ticks->saw || tick->look.saw;
		ticks->first = ticks->first || tick->look.first;
	} else if (!ticks->closing) {
		if (json_array_size(tick->texts) > 0)
			absence_ticks_tell(ticks, tick->texts);
		if (ticks->saw)
			absence_ticks_begin(ticks);
	}
	config_unref(tick->config);
	json_decref(tick->texts);
	free(tick);
	absence_ticks_job_done(ticks);
}

/* Starts a tick: the time, and what was observed since the last tick. */
static void absence_ticks_begin(struct absence_ticks *ticks)
{
	struct tick *tick;

	if (ticks->ticking || ticks->closing)
		return;
	ticks->ticking = true;
	tick = x_calloc(1, sizeof(*tick));
	tick->ticks = ticks;
	tick->config = config_ref(ticks->config);
	snprintf(tick->problem, sizeof(tick->problem), "%s", absence_ticks_problem(ticks));
	/* observation starts as soon as the room is ready, not with the next answer */
	if (ticks->first && ticks->stored && absence_ticks_sees(ticks) &&
	        !link_problem(ticks->env.link)[0])
		ticks->saw = true;
	tick->look = (struct absence_look){ticks->saw, ticks->first, tick->problem};
	if (ticks->saw)
		ticks->saw = ticks->first = false;
	ticks->jobs++;
	writer_submit(ticks->env.writer, tick_work, tick_done, tick);
}

static void absence_ticks_on_timer(uv_timer_t *timer)
{
	absence_ticks_begin(timer->data);
}

/* A room that is not ready was not observed, even though the homeserver answers; nor are the
 * messages sent there meanwhile known. */
void absence_ticks_stored(struct absence_ticks *ticks, bool first)
{
	bool sees = absence_ticks_sees(ticks);

	ticks->stored = true;
	ticks->first = ticks->first || first || !sees;
	if (!sees)
		return;
	ticks->saw = true;
	absence_ticks_begin(ticks);
}

struct absence_ticks *absence_ticks_create(
        const struct absence_ticks_env *env, struct config *config)
{
	struct absence_ticks *ticks = x_calloc(1, sizeof(*ticks));

	ticks->env = *env;
	ticks->config = config_ref(config);
	uv_timer_init(env->loop, &ticks->timer);
	ticks->timer.data = ticks;
	uv_timer_start(&ticks->timer, absence_ticks_on_timer, 0, EVERY_MS);
	return ticks;
}

void absence_ticks_configure(struct absence_ticks *ticks, struct config *config)
{
	config_replace(&ticks->config, config);
}

static void absence_ticks_on_timer_closed(uv_handle_t *handle)
{
	struct absence_ticks *ticks = handle->data;

	ticks->timer_closed = true;
	absence_ticks_maybe_closed(ticks);
}

void absence_ticks_close(struct absence_ticks *ticks, void (*closed)(void *arg), void *arg)
{
	assert(!ticks->closing);
	ticks->closing = true;
	ticks->closed = closed;
	ticks->closed_arg = arg;
	uv_close((uv_handle_t *)&ticks->timer, absence_ticks_on_timer_closed);
}

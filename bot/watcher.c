/*
 * watcher.c - see watcher.h.
 *
 * Happy path: the link brings each answer of /sync to absence_event() and stores it; then, and
 * every few seconds, a tick in a writer job decides what is to be told. What goes into rooms leaves
 * by the courier, what goes elsewhere by bot/meta/. Order of taking apart: courier, link, prune,
 * meta, writer, store, much as in daemon.c.
 */
#include <string.h>
#include <sysexits.h>
#include <uv.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/log.h"
#include "bot/base/zone.h"
#include "bot/delivery/courier.h"
#include "bot/loop/life.h"
#include "bot/link/link.h"
#include "bot/meta/meta.h"
#include "bot/loop/notify.h"
#include "bot/schedule/pruner.h"
#include "bot/loop/reload.h"
#include "bot/watcher.h"
#include "bot/loop/writer.h"
#include "handlers/heartbeats/absence_room.h"

#define GRACE_MS 3000 /* for sends in flight at a stop */
#define TICK_MS (5 * CLOCK_SECOND_MS)
#define PROBLEM_MAX 512

struct watcher {
	struct life life;
	struct config *config;
	struct store *store;
	struct writer *writer;
	struct courier *courier;
	struct link *link;
	struct meta *meta;
	struct pruner *prune;
	struct reload *reload;
	uv_timer_t tick;
	int64_t started_ms;
	bool stored;     /* an answer of /sync, ever */
	bool saw, first; /* as of struct absence_look, since a tick took them along */
	bool ticking;    /* a tick is under way */
	bool stopping;
	int exit_code;
};

/* --- stopping ----------------------------------------------------------------------------- */

static void on_reload_closed(void *arg)
{
}

static void on_writer_closed(void *arg)
{
	struct watcher *watcher = arg;

	watcher->writer = NULL;
	life_close(&watcher->life);
	uv_close((uv_handle_t *)&watcher->tick, NULL);
	reload_close(watcher->reload, on_reload_closed, watcher);
}

static void on_meta_closed(void *arg)
{
	struct watcher *watcher = arg;

	watcher->meta = NULL;
	writer_close(watcher->writer, on_writer_closed, watcher);
}

static void on_prune_closed(void *arg)
{
	struct watcher *watcher = arg;

	watcher->prune = NULL;
	meta_close(watcher->meta, on_meta_closed, watcher);
}

static void on_link_closed(void *arg)
{
	struct watcher *watcher = arg;

	watcher->link = NULL;
	courier_destroy(watcher->courier); /* the link's parts may poke it until their end */
	watcher->courier = NULL;
	pruner_close(watcher->prune, on_prune_closed, watcher);
}

static void on_courier_closed(void *arg)
{
	struct watcher *watcher = arg;

	link_close(watcher->link, on_link_closed, watcher);
}

static void watcher_stop(void *arg)
{
	struct watcher *watcher = arg;

	if (watcher->stopping)
		return;
	watcher->stopping = true;
	notify_stopping();
	uv_timer_stop(&watcher->tick);
	courier_close(watcher->courier, GRACE_MS, on_courier_closed, watcher);
}

static void on_fatal(const char *message, void *arg)
{
	struct watcher *watcher = arg;

	log_error("watch", "%s", message);
	watcher->exit_code = EX_CONFIG;
	watcher_stop(watcher);
}

/* --- ticks -------------------------------------------------------------------------------- */

struct tick {
	struct watcher *watcher;
	struct config *config; /* the loop's reference */
	struct absence_look look;
	char problem[PROBLEM_MAX];
	json_t *texts;
};

static void watcher_tick(struct watcher *watcher);

/* Why the room cannot be seen, "" when nothing speaks against it. */
static const char *problem_of(const struct watcher *watcher)
{
	const struct rooms *rooms = link_rooms(watcher->link);
	const struct room *room = rooms ? rooms_get(rooms, watcher->config->heartbeat.room) : NULL;
	const char *problem = link_problem(watcher->link);

	if (problem[0])
		return problem;
	if (!room || (!room->ready && !room->problem[0]))
		return "the room is not found yet";
	return room->problem;
}

static bool is_ready(const struct watcher *watcher)
{
	const struct rooms *rooms = link_rooms(watcher->link);
	const struct room *room = rooms ? rooms_get(rooms, watcher->config->heartbeat.room) : NULL;

	return room && room->ready;
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
		log_error("watch", "could not store what was told: %s", message);
}

static void tick_done(enum err result, const char *message, void *arg)
{
	struct tick *tick = arg;
	struct watcher *watcher = tick->watcher;
	const json_t *text;
	size_t i;

	watcher->ticking = false;
	if (result != OK) {
		log_error("watch", "could not look at the heartbeat: %s", message);
		watcher->saw = watcher->saw || tick->look.saw;
		watcher->first = watcher->first || tick->look.first;
	} else if (!watcher->stopping && json_array_size(tick->texts) > 0) {
		json_array_foreach(tick->texts, i, text)
		{
			meta_raise(watcher->meta, json_string_value(text));
		}
		writer_submit(watcher->writer, told_work, told_done, watcher);
		courier_poke(watcher->courier);
	}
	config_unref(tick->config);
	json_decref(tick->texts);
	free(tick);
	if (result == OK && watcher->saw)
		watcher_tick(watcher);
}

/* A look at the clock, and what was seen since the last one. */
static void watcher_tick(struct watcher *watcher)
{
	struct tick *tick;

	if (watcher->ticking || watcher->stopping)
		return;
	watcher->ticking = true;
	tick = x_calloc(1, sizeof(*tick));
	tick->watcher = watcher;
	tick->config = config_ref(watcher->config);
	snprintf(tick->problem, sizeof(tick->problem), "%s", problem_of(watcher));
	/* a view that begins anew begins as soon as the room is there, not with the next answer */
	if (watcher->first && watcher->stored && is_ready(watcher) &&
	        !link_problem(watcher->link)[0])
		watcher->saw = true;
	tick->look = (struct absence_look){watcher->saw, watcher->first, tick->problem};
	if (watcher->saw)
		watcher->saw = watcher->first = false;
	writer_submit(watcher->writer, tick_work, tick_done, tick);
}

static void on_tick(uv_timer_t *timer)
{
	watcher_tick(timer->data);
}

/* --- the link ----------------------------------------------------------------------------- */

/* A room that is not there was not seen, however well the homeserver answers; what was written
 * there meanwhile is not known either. */
static void on_stored(bool first, void *arg)
{
	struct watcher *watcher = arg;
	bool ready = is_ready(watcher);

	watcher->stored = true;
	watcher->first = watcher->first || first || !ready;
	if (!ready)
		return;
	watcher->saw = true;
	watcher_tick(watcher);
}

/* A heartbeat. */
static void on_happened(json_t *event, void *arg)
{
	struct watcher *watcher = arg;

	if (!watcher->stopping)
		meta_ping(watcher->meta);
	json_decref(event);
}

static void on_status(struct report_status *status, void *arg)
{
	const struct watcher *watcher = arg;

	status->started_ms = watcher->started_ms;
}

static void on_result(const char *what, const char *room, int64_t outbox_id, const char *event_id,
        enum err err, const char *error, void *arg)
{
	if (event_id)
		log_info("watch", "told in %s: %s", room, event_id);
}

/* --- life --------------------------------------------------------------------------------- */

const char *watcher_lacks(const struct config *config)
{
	if (!config->heartbeat.sender)
		return "[heartbeat] sender is missing: the user id of the bot that is watched";
	if (strcmp(config->heartbeat.sender, config->matrix.user) == 0)
		return "[heartbeat] sender is the watcher's own account; it wants one of its own";
	return NULL;
}

static bool on_config(struct config *config, void *arg)
{
	struct watcher *watcher = arg;
	const char *lack = watcher_lacks(config);

	if (watcher->stopping)
		return false;
	if (lack) {
		log_error("watch", "%s; the old config stays", lack);
		return false;
	}
	zone_use(config->heartbeat.timezone);
	courier_configure(watcher->courier, config);
	link_configure(watcher->link, config);
	meta_configure(watcher->meta, config);
	pruner_configure(watcher->prune, config);
	config_unref(watcher->config);
	watcher->config = config_ref(config);
	return true;
}

static int watcher_load(struct watcher *watcher, const struct watcher_options *options)
{
	enum err err = reload_first(options->config_path, &watcher->config);
	const char *lack = err == OK ? watcher_lacks(watcher->config) : NULL;

	if (lack)
		log_error("watch", "%s", lack);
	if (err != OK || lack)
		return EX_CONFIG;
	return life_open_store("watch", watcher->config, &watcher->store);
}

static int watcher_start(struct watcher *watcher, const struct watcher_options *options)
{
	struct courier_events courier_events = {.on_result = on_result, .arg = watcher};
	struct link_events link_events = {
	        .on_fatal = on_fatal,
	        .on_happened = on_happened,
	        .on_status = on_status,
	        .on_stored = on_stored,
	        .arg = watcher,
	};
	struct link_options link_options = {
	        .loop = &watcher->life.loop,
	        .new_device = options->new_device,
	        .on_event = absence_event,
	};
	struct fault fault = {0};

	watcher->writer = writer_create(&watcher->life.loop, watcher->store);
	watcher->courier = courier_create(
	        &watcher->life.loop, watcher->writer, watcher->config, &courier_events);
	watcher->meta = meta_create(&watcher->life.loop, watcher->config);
	watcher->prune = pruner_create(&watcher->life.loop, watcher->writer, watcher->config);
	link_options.writer = watcher->writer;
	link_options.courier = watcher->courier;
	if (link_create(&watcher->link, &link_options, watcher->config, &link_events, &fault) == OK)
		return EX_OK;
	log_error("watch", "%s", fault.text);
	return EX_CONFIG;
}

int watcher_run(const struct watcher_options *options)
{
	struct watcher *watcher = x_calloc(1, sizeof(*watcher));
	int rc;

	life_prepare();
	watcher->started_ms = clock_now_ms();
	rc = watcher_load(watcher, options);
	if (rc != EX_OK) {
		config_unref(watcher->config);
		free(watcher);
		return rc;
	}
	life_init(&watcher->life, "watch", watcher_stop, watcher);
	rc = watcher_start(watcher, options);
	if (rc != EX_OK)
		exit(rc); /* handles half up; the kernel takes them */
	life_start(&watcher->life);
	uv_timer_init(&watcher->life.loop, &watcher->tick);
	watcher->tick.data = watcher;
	uv_timer_start(&watcher->tick, on_tick, 0, TICK_MS);
	watcher->reload =
	        reload_create(&watcher->life.loop, watcher->config->path, on_config, watcher);
	log_info("watch", "version %s watches the heartbeat of %s", BOT_VERSION,
	        watcher->config->heartbeat.sender);
	notify_ready();
	life_run(&watcher->life);
	store_close(watcher->store);
	config_unref(watcher->config);
	rc = watcher->exit_code;
	free(watcher);
	return rc;
}

/*
 * watcher.c - see watcher.h.
 *
 * Happy path: the link brings each answer of /sync to vigil_event() and stores it; then, and every
 * few seconds, a tick in a writer job decides what is to be told. What goes into rooms leaves by
 * the courier, what goes elsewhere by bot/meta/.
 * Order of taking apart: courier, link, prune, meta, writer, store, much as in bot.c.
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
#include "handlers/heartbeats/watcher_room.h"

#define GRACE_MS 3000 /* for sends in flight at a stop */
#define TICK_MS (5 * CLOCK_SECOND_MS)
#define PROBLEM_MAX 512

struct watch {
	struct life life;
	struct config *config;
	struct store *store;
	struct writer *writer;
	struct courier *courier;
	struct link *link;
	struct meta *meta;
	struct prune *prune;
	struct reload *reload;
	uv_timer_t tick;
	int64_t started_ms;
	bool stored;     /* an answer of /sync, ever */
	bool saw, first; /* as of struct vigil_look, since a tick took them along */
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
	struct watch *watch = arg;

	watch->writer = NULL;
	life_close(&watch->life);
	uv_close((uv_handle_t *)&watch->tick, NULL);
	reload_close(watch->reload, on_reload_closed, watch);
}

static void on_meta_closed(void *arg)
{
	struct watch *watch = arg;

	watch->meta = NULL;
	writer_close(watch->writer, on_writer_closed, watch);
}

static void on_prune_closed(void *arg)
{
	struct watch *watch = arg;

	watch->prune = NULL;
	meta_close(watch->meta, on_meta_closed, watch);
}

static void on_link_closed(void *arg)
{
	struct watch *watch = arg;

	watch->link = NULL;
	courier_destroy(watch->courier); /* the link's parts may poke it until their end */
	watch->courier = NULL;
	prune_close(watch->prune, on_prune_closed, watch);
}

static void on_courier_closed(void *arg)
{
	struct watch *watch = arg;

	link_close(watch->link, on_link_closed, watch);
}

static void watch_stop(void *arg)
{
	struct watch *watch = arg;

	if (watch->stopping)
		return;
	watch->stopping = true;
	notify_stopping();
	uv_timer_stop(&watch->tick);
	courier_close(watch->courier, GRACE_MS, on_courier_closed, watch);
}

static void on_fatal(const char *message, void *arg)
{
	struct watch *watch = arg;

	log_error("watch", "%s", message);
	watch->exit_code = EX_CONFIG;
	watch_stop(watch);
}

/* --- ticks -------------------------------------------------------------------------------- */

struct tick {
	struct watch *watch;
	struct config *config; /* the loop's reference */
	struct vigil_look look;
	char problem[PROBLEM_MAX];
	json_t *texts;
};

static void watch_tick(struct watch *watch);

/* Why the room cannot be seen, "" when nothing speaks against it. */
static const char *problem_of(const struct watch *watch)
{
	const struct rooms *rooms = link_rooms(watch->link);
	const struct room *room = rooms ? rooms_get(rooms, watch->config->heartbeat.room) : NULL;
	const char *problem = link_problem(watch->link);

	if (problem[0])
		return problem;
	if (!room || (!room->ready && !room->problem[0]))
		return "the room is not found yet";
	return room->problem;
}

static bool is_ready(const struct watch *watch)
{
	const struct rooms *rooms = link_rooms(watch->link);
	const struct room *room = rooms ? rooms_get(rooms, watch->config->heartbeat.room) : NULL;

	return room && room->ready;
}

static enum err tick_work(struct store *store, void *arg)
{
	struct tick *tick = arg;
	struct deliver d = {.store = store, .config = tick->config, .now_ms = clock_now_ms()};

	return vigil_tick(&d, &tick->look, &tick->texts);
}

static enum err told_work(struct store *store, void *arg)
{
	return vigil_told(store);
}

static void told_done(enum err result, const char *message, void *arg)
{
	if (result != OK)
		log_error("watch", "could not store what was told: %s", message);
}

static void tick_done(enum err result, const char *message, void *arg)
{
	struct tick *tick = arg;
	struct watch *watch = tick->watch;
	const json_t *text;
	size_t i;

	watch->ticking = false;
	if (result != OK) {
		log_error("watch", "could not look at the heartbeat: %s", message);
		watch->saw = watch->saw || tick->look.saw;
		watch->first = watch->first || tick->look.first;
	} else if (!watch->stopping && json_array_size(tick->texts) > 0) {
		json_array_foreach(tick->texts, i, text)
		{
			meta_raise(watch->meta, json_string_value(text));
		}
		writer_submit(watch->writer, told_work, told_done, watch);
		courier_poke(watch->courier);
	}
	config_unref(tick->config);
	json_decref(tick->texts);
	free(tick);
	if (result == OK && watch->saw)
		watch_tick(watch);
}

/* A look at the clock, and what was seen since the last one. */
static void watch_tick(struct watch *watch)
{
	struct tick *tick;

	if (watch->ticking || watch->stopping)
		return;
	watch->ticking = true;
	tick = x_calloc(1, sizeof(*tick));
	tick->watch = watch;
	tick->config = config_ref(watch->config);
	snprintf(tick->problem, sizeof(tick->problem), "%s", problem_of(watch));
	/* a view that begins anew begins as soon as the room is there, not with the next answer */
	if (watch->first && watch->stored && is_ready(watch) && !link_problem(watch->link)[0])
		watch->saw = true;
	tick->look = (struct vigil_look){watch->saw, watch->first, tick->problem};
	if (watch->saw)
		watch->saw = watch->first = false;
	writer_submit(watch->writer, tick_work, tick_done, tick);
}

static void on_tick(uv_timer_t *timer)
{
	watch_tick(timer->data);
}

/* --- the link ----------------------------------------------------------------------------- */

/* A room that is not there was not seen, however well the homeserver answers; what was written
 * there meanwhile is not known either. */
static void on_stored(bool first, void *arg)
{
	struct watch *watch = arg;
	bool ready = is_ready(watch);

	watch->stored = true;
	watch->first = watch->first || first || !ready;
	if (!ready)
		return;
	watch->saw = true;
	watch_tick(watch);
}

/* A heartbeat. */
static void on_happened(json_t *event, void *arg)
{
	struct watch *watch = arg;

	if (!watch->stopping)
		meta_ping(watch->meta);
	json_decref(event);
}

static void on_status(struct report_status *status, void *arg)
{
	const struct watch *watch = arg;

	status->started_ms = watch->started_ms;
}

static void on_result(const char *what, const char *room, int64_t outbox_id, const char *event_id,
        enum err code, const char *error, void *arg)
{
	if (event_id)
		log_info("watch", "told in %s: %s", room, event_id);
}

/* --- life --------------------------------------------------------------------------------- */

const char *watch_lacks(const struct config *config)
{
	if (!config->heartbeat.sender)
		return "[heartbeat] sender is missing: the user id of the bot that is watched";
	if (strcmp(config->heartbeat.sender, config->matrix.user) == 0)
		return "[heartbeat] sender is the watcher's own account; it wants one of its own";
	return NULL;
}

static bool on_config(struct config *config, void *arg)
{
	struct watch *watch = arg;
	const char *lack = watch_lacks(config);

	if (watch->stopping)
		return false;
	if (lack) {
		log_error("watch", "%s; the old config stays", lack);
		return false;
	}
	zone_use(config->heartbeat.timezone);
	courier_configure(watch->courier, config);
	link_configure(watch->link, config);
	meta_configure(watch->meta, config);
	prune_configure(watch->prune, config);
	config_unref(watch->config);
	watch->config = config_ref(config);
	return true;
}

static int watch_load(struct watch *watch, const struct watch_options *options)
{
	enum err err = reload_first(options->config_path, &watch->config);
	const char *lack = err == OK ? watch_lacks(watch->config) : NULL;

	if (lack)
		log_error("watch", "%s", lack);
	if (err != OK || lack)
		return EX_CONFIG;
	return life_open_store("watch", watch->config, &watch->store);
}

static int watch_start(struct watch *watch, const struct watch_options *options)
{
	struct courier_events courier_events = {.on_result = on_result, .arg = watch};
	struct link_events link_events = {
	        .on_fatal = on_fatal,
	        .on_happened = on_happened,
	        .on_status = on_status,
	        .on_stored = on_stored,
	        .arg = watch,
	};
	struct link_options link_options = {
	        .loop = &watch->life.loop,
	        .new_device = options->new_device,
	        .on_event = vigil_event,
	};
	struct fault fault = {0};

	watch->writer = writer_create(&watch->life.loop, watch->store);
	watch->courier =
	        courier_create(&watch->life.loop, watch->writer, watch->config, &courier_events);
	watch->meta = meta_create(&watch->life.loop, watch->config);
	watch->prune = prune_create(&watch->life.loop, watch->writer, watch->config);
	link_options.writer = watch->writer;
	link_options.courier = watch->courier;
	if (link_create(&watch->link, &link_options, watch->config, &link_events, &fault) == OK)
		return EX_OK;
	log_error("watch", "%s", fault.text);
	return EX_CONFIG;
}

int watch_run(const struct watch_options *options)
{
	struct watch *watch = x_calloc(1, sizeof(*watch));
	int rc;

	life_prepare();
	watch->started_ms = clock_now_ms();
	rc = watch_load(watch, options);
	if (rc != EX_OK) {
		config_unref(watch->config);
		free(watch);
		return rc;
	}
	life_init(&watch->life, "watch", watch_stop, watch);
	rc = watch_start(watch, options);
	if (rc != EX_OK)
		exit(rc); /* handles half up; the kernel takes them */
	life_start(&watch->life);
	uv_timer_init(&watch->life.loop, &watch->tick);
	watch->tick.data = watch;
	uv_timer_start(&watch->tick, on_tick, 0, TICK_MS);
	watch->reload = reload_create(&watch->life.loop, watch->config->path, on_config, watch);
	log_info("watch", "version %s watches the heartbeat of %s", BOT_VERSION,
	        watch->config->heartbeat.sender);
	notify_ready();
	life_run(&watch->life);
	store_close(watch->store);
	config_unref(watch->config);
	rc = watch->exit_code;
	free(watch);
	return rc;
}

/*
 * watcher.c - see watcher.h.
 *
 * Happy path: the link passes each answer of /sync to absence_event() and stores it; the ticks
 * (bot/schedule/absence_ticks.h) decide what to report. The table of parts lists the order in which
 * the watcher is started; it is stopped in reverse order, as in daemon.c.
 */
#include "bot/watcher.h"

#include <stddef.h>
#include <string.h>
#include <sysexits.h>
#include <uv.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/log.h"
#include "bot/base/zone.h"
#include "bot/delivery/courier.h"
#include "bot/link/link.h"
#include "bot/loop/life.h"
#include "bot/loop/reload.h"
#include "bot/loop/writer.h"
#include "bot/meta/meta.h"
#include "bot/schedule/absence_ticks.h"
#include "bot/schedule/pruner.h"
#include "handlers/heartbeats/absence_room.h"

#define GRACE_MS 1500 /* for requests in flight at a stop */

struct watcher {
	struct life life;
	const struct watcher_options *options;
	struct config *config;
	struct store *store;
	int64_t started_ms;
	/* the parts, each NULL while it is not started */
	struct reload *reload;
	struct writer *writer;
	struct courier *courier, *sending; /* the same object: its memory, and its activity */
	struct link *link;
	struct meta *meta;
	struct pruner *pruner;
	struct absence_ticks *absence_ticks;
};

/* --- connections between the parts -------------------------------------------------------- */

static void watcher_on_fatal(const char *message, void *arg)
{
	struct watcher *watcher = arg;

	log_error("watch", "%s", message);
	life_stop(&watcher->life, EX_CONFIG);
}

static void on_stored(bool first, void *arg)
{
	struct watcher *watcher = arg;

	if (watcher->absence_ticks)
		absence_ticks_stored(watcher->absence_ticks, first);
}

/* Called for a heartbeat. */
static void watcher_on_happened(json_t *event, void *arg)
{
	struct watcher *watcher = arg;

	if (!life_is_stopping(&watcher->life))
		meta_ping(watcher->meta);
	json_decref(event);
}

static void watcher_on_status(struct report_status *status, void *arg)
{
	const struct watcher *watcher = arg;

	status->started_ms = watcher->started_ms;
}

static void watcher_on_result(const char *what, const char *room, int64_t outbox_id,
        const char *event_id, enum err err, const char *error, void *arg)
{
	if (event_id)
		log_info("watch", "reported in %s: %s", room, event_id);
}

/* --- the parts ---------------------------------------------------------------------------- */

const char *watcher_lacks(const struct config *config)
{
	if (!config->heartbeat.sender)
		return "[heartbeat] sender is missing: set it to the user id of the bot to watch";
	if (strcmp(config->heartbeat.sender, config->matrix.user) == 0)
		return "[heartbeat] sender is the watcher's own account: the watcher needs an "
		       "account of its own";
	return NULL;
}

static enum err watcher_on_config(struct config *config, struct fault *fault, void *arg)
{
	struct watcher *watcher = arg;
	const char *lack = watcher_lacks(config);

	if (life_is_stopping(&watcher->life))
		return fault_set(fault, ERR_CANCELED, "the watcher is stopping");
	if (lack)
		return fault_set(fault, ERR_CONFIG, "%s", lack);
	zone_use(config->heartbeat.timezone);
	parts_configure(&watcher->life.parts, config);
	config_replace(&watcher->config, config);
	return OK;
}

static enum err watcher_create_reload(void *owner, struct fault *fault)
{
	struct watcher *watcher = owner;

	watcher->reload =
	        reload_create(&watcher->life.loop, watcher->config, watcher_on_config, watcher);
	return OK;
}

static enum err watcher_create_writer(void *owner, struct fault *fault)
{
	struct watcher *watcher = owner;

	watcher->writer = writer_create(&watcher->life.loop, watcher->store);
	if (!watcher->writer)
		return fault_set(fault, ERR_FULL, "no thread for the database");
	life_follow_writer(&watcher->life, watcher->writer);
	return OK;
}

static enum err watcher_create_courier(void *owner, struct fault *fault)
{
	struct watcher *watcher = owner;
	struct courier_events events = {.on_result = watcher_on_result, .arg = watcher};

	watcher->courier =
	        courier_create(&watcher->life.loop, watcher->writer, watcher->config, &events);
	return OK;
}

static enum err watcher_create_link(void *owner, struct fault *fault)
{
	struct watcher *watcher = owner;
	struct link_events events = {
	        .on_fatal = watcher_on_fatal,
	        .on_happened = watcher_on_happened,
	        .on_status = watcher_on_status,
	        .on_stored = on_stored,
	        .arg = watcher,
	};
	struct link_options options = {
	        .loop = &watcher->life.loop,
	        .writer = watcher->writer,
	        .courier = watcher->courier,
	        .new_device = watcher->options->new_device,
	        .on_event = absence_event,
	};

	return link_create(&watcher->link, &options, watcher->config, &events, fault);
}

static enum err watcher_create_sending(void *owner, struct fault *fault)
{
	struct watcher *watcher = owner;

	watcher->sending = watcher->courier;
	return OK;
}

static void watcher_close_sending(void *part, void (*closed)(void *arg), void *arg)
{
	courier_stop(part, GRACE_MS, closed, arg);
}

static enum err watcher_create_meta(void *owner, struct fault *fault)
{
	struct watcher *watcher = owner;

	watcher->meta = meta_create(&watcher->life.loop, watcher->config);
	return OK;
}

static enum err watcher_create_pruner(void *owner, struct fault *fault)
{
	struct watcher *watcher = owner;

	watcher->pruner = pruner_create(&watcher->life.loop, watcher->writer, watcher->config);
	return OK;
}

static enum err create_absence_ticks(void *owner, struct fault *fault)
{
	struct watcher *watcher = owner;
	struct absence_ticks_env env = {
	        .loop = &watcher->life.loop,
	        .writer = watcher->writer,
	        .courier = watcher->courier,
	        .link = watcher->link,
	        .meta = watcher->meta,
	};

	watcher->absence_ticks = absence_ticks_create(&env, watcher->config);
	return OK;
}

PART_CLOSE(reload)
PART_CLOSE(writer)
PART(courier)
PART(link)
PART(meta)
PART(pruner)
PART(absence_ticks)

#define SLOT(x) offsetof(struct watcher, x)

/* clang-format off */
static const struct part parts[] = {
	{"reload", SLOT(reload), watcher_create_reload, NULL, close_reload},
	{"writer", SLOT(writer), watcher_create_writer, NULL, close_writer},
	{"courier", SLOT(courier), watcher_create_courier, configure_courier, close_courier},
	{"link", SLOT(link), watcher_create_link, configure_link, close_link},
	{"sending", SLOT(sending), watcher_create_sending, NULL, watcher_close_sending, .along = true},
	{"meta", SLOT(meta), watcher_create_meta, configure_meta, close_meta},
	{"pruner", SLOT(pruner), watcher_create_pruner, configure_pruner, close_pruner},
	{"ticks", SLOT(absence_ticks), create_absence_ticks, configure_absence_ticks, close_absence_ticks},
};
/* clang-format on */

/* --- running ------------------------------------------------------------------------------ */

static int watcher_load(struct watcher *watcher)
{
	enum err err = reload_first(watcher->options->config_path, &watcher->config);
	const char *lack = err == OK ? watcher_lacks(watcher->config) : NULL;

	if (lack)
		log_error("watch", "%s", lack);
	if (err != OK || lack)
		return EX_CONFIG;
	return life_open_store("watch", watcher->config, &watcher->store);
}

static void watcher_on_opened(void *owner)
{
	const struct watcher *watcher = owner;

	log_info("watch", "version %s, watching the heartbeat of %s", BOT_VERSION,
	        watcher->config->heartbeat.sender);
}

int watcher_run(const struct watcher_options *options)
{
	struct watcher *watcher = x_calloc(1, sizeof(*watcher));
	int rc;

	life_prepare();
	watcher->options = options;
	watcher->started_ms = clock_now_ms();
	rc = watcher_load(watcher);
	if (rc == EX_OK) {
		life_init(
		        &watcher->life, "watch", parts, sizeof(parts) / sizeof(parts[0]), watcher);
		rc = life_run(&watcher->life, watcher_on_opened);
		store_close(watcher->store);
	}
	config_unref(watcher->config);
	free(watcher);
	return rc;
}

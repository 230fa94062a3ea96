/*
 * daemon.c - see daemon.h.
 *
 * The table of parts lists the order in which the daemon is started; it is stopped in reverse
 * order, each step after the one before has finished: socket and commands (all replies sent),
 * spool, schedules and their channels, courier (requests in flight get a few seconds), link, mirror
 * and writer, store. Work interrupted by the stop is in the database and continues after the next
 * start.
 */
#include <stddef.h>
#include <string.h>
#include <sysexits.h>
#include <uv.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/files.h"
#include "bot/base/log.h"
#include "bot/base/zone.h"
#include "bot/daemon.h"
#include "bot/charts/publisher.h"
#include "bot/delivery/courier.h"
#include "bot/schedule/duty.h"
#include "bot/http/web.h"
#include "bot/intake/server.h"
#include "bot/intake/spool.h"
#include "bot/loop/life.h"
#include "bot/link/link.h"
#include "bot/delivery/calls_mirror.h"
#include "bot/ops/ops.h"
#include "bot/schedule/pruner.h"
#include "bot/loop/reload.h"
#include "bot/schedule/sql_watches.h"
#include "bot/loop/writer.h"

#define GRACE_MS 1500 /* for requests in flight at a stop */
#define REPORT_MAX (64 * 1024)

struct daemon {
	struct life life;
	const struct daemon_options *options;
	struct config *config;
	struct store *store;
	int64_t started_ms;
	/* the parts, each NULL while it is not started */
	struct reload *reload;
	struct writer *writer;
	struct mirror *mirror;
	struct courier *courier, *sending; /* the same object: its memory, and its activity */
	struct link *link;
	struct meta *meta;
	struct pruner *pruner;
	struct duty *duty;
	struct publisher *publisher;
	struct sql_watches *sql_watches;
	struct spool *spool;
	struct ops *ops;
	struct web *web;
	struct server *server;
};

/* --- connections between the parts -------------------------------------------------------- */

static void daemon_on_fatal(const char *message, void *arg)
{
	struct daemon *daemon = arg;

	log_error("bot", "%s", message);
	life_stop(&daemon->life, EX_CONFIG);
}

static void daemon_on_request(
        const json_t *request, const struct alert_peer *peer, struct reply *reply, void *arg)
{
	struct daemon *daemon = arg;

	ops_request(daemon->ops, request, peer, reply);
}

static void on_spool_taken(enum err result, const char *message, void *arg)
{
	struct daemon *daemon = arg;

	spool_done(daemon->spool, result, message);
}

static void on_spool_request(const json_t *request, void *arg)
{
	struct daemon *daemon = arg;

	if (life_is_stopping(&daemon->life)) /* the file is kept for the next start */
		spool_done(daemon->spool, ERR_CANCELED, "the daemon is stopping");
	else
		ops_take(daemon->ops, request, on_spool_taken, daemon);
}

static void daemon_on_result(const char *what, const char *room, int64_t outbox_id,
        const char *event_id, enum err err, const char *error, void *arg)
{
	struct daemon *daemon = arg;

	if (daemon->ops)
		ops_result(daemon->ops, what, room, outbox_id, event_id, err, error);
}

static void daemon_on_released(void *arg)
{
	struct daemon *daemon = arg;

	link_try_now(daemon->link);
}

static bool daemon_is_awaited(void *arg)
{
	struct daemon *daemon = arg;

	return daemon->ops && ops_is_awaited(daemon->ops);
}

static void daemon_on_status(struct report_status *status, void *arg)
{
	struct daemon *daemon = arg;
	struct courier_counters counters = courier_counters(daemon->courier);
	const struct rooms *rooms = link_rooms(daemon->link);
	const struct vault *vault = link_vault(daemon->link);
	struct report_room *list;

	status->started_ms = daemon->started_ms;
	status->homeserver = link_homeserver(daemon->link);
	status->problem = link_problem(daemon->link);
	status->held = courier_held(daemon->courier);
	status->retrying = courier_retrying(daemon->courier);
	status->limit = courier_limit(daemon->courier);
	status->last_sync_ms = link_last_sync_ms(daemon->link);
	status->skew_ms = link_skew_ms(daemon->link);
	status->identity = vault_identity(vault);
	status->encryption_problem = vault_problem(vault);
	status->fingerprint = vault_fingerprint(vault);
	status->notices = vault_notices(vault);
	status->verified = vault_verified(vault);
	status->verifications = vault_verifications(vault);
	status->sent = counters.sent;
	status->retried = counters.retried;
	status->in_flight = counters.in_flight;
	status->spool_bad = daemon->spool ? spool_bad(daemon->spool) : 0;
	status->clients = daemon->server ? server_clients(daemon->server) : 0;
	status->rooms_len = rooms ? rooms_len(rooms) : 0;
	list = x_calloc(status->rooms_len + 1, sizeof(*list));
	for (size_t i = 0; i < status->rooms_len; i++) {
		const struct room *room = rooms_at(rooms, i);

		list[i] = (struct report_room){
		        .name = room->name,
		        .address = room->address,
		        .room_id = room->room_id,
		        .members = link_joined(daemon->link, room->room_id),
		        .problem = room->ready || room->problem[0] ? room->problem
		                                                   : "not resolved to an id yet",
		        .mute = room->mute,
		        .pending = !room->looked,
		        .encrypted = room->encrypted,
		        .denied = room->denied,
		        .readers = room->encrypted && room->room_id
		                           ? json_object_get(vault_readers(vault), room->room_id)
		                           : NULL,
		};
	}
	status->rooms = list;
	status->watches = daemon->sql_watches
	                          ? sql_watches_report(daemon->sql_watches, &status->watches_len)
	                          : NULL;
}

static void on_reload(reload_done_fn done, void *done_arg, void *arg)
{
	struct daemon *daemon = arg;

	reload_ask(daemon->reload, done, done_arg);
}

static void on_published(void *arg)
{
	struct daemon *daemon = arg;

	if (daemon->web)
		web_changed(daemon->web);
}

static struct vault *on_vault(void *arg)
{
	struct daemon *daemon = arg;

	return link_vault(daemon->link);
}

static void daemon_on_happened(json_t *event, void *arg)
{
	struct daemon *daemon = arg;
	const char *what = json_string_value(json_object_get(event, "event"));

	if (daemon->publisher && what && strcmp(what, "chart") == 0)
		publisher_poke(daemon->publisher);
	if (daemon->ops)
		ops_happened(daemon->ops, event);
	else
		json_decref(event);
}

/* --- the parts ---------------------------------------------------------------------------- */

static enum err daemon_on_config(struct config *config, struct fault *fault, void *arg)
{
	struct daemon *daemon = arg;

	if (life_is_stopping(&daemon->life))
		return fault_set(fault, ERR_CANCELED, "the daemon is stopping");
	if (web_check(config, fault) != OK)
		return fault->code;
	zone_use(config->heartbeat.timezone);
	parts_configure(&daemon->life.parts, config);
	config_replace(&daemon->config, config);
	return OK;
}

static enum err daemon_create_reload(void *owner, struct fault *fault)
{
	struct daemon *daemon = owner;

	daemon->reload =
	        reload_create(&daemon->life.loop, daemon->config, daemon_on_config, daemon);
	return OK;
}

static enum err daemon_create_writer(void *owner, struct fault *fault)
{
	struct daemon *daemon = owner;

	daemon->writer = writer_create(&daemon->life.loop, daemon->store);
	if (!daemon->writer)
		return fault_set(fault, ERR_FULL, "no thread for the database");
	life_follow_writer(&daemon->life, daemon->writer);
	return OK;
}

static enum err create_mirror(void *owner, struct fault *fault)
{
	struct daemon *daemon = owner;

	daemon->mirror = mirror_create(&daemon->life.loop, daemon->config);
	return OK;
}

static enum err daemon_create_courier(void *owner, struct fault *fault)
{
	struct daemon *daemon = owner;
	struct courier_events events = {.on_result = daemon_on_result,
	        .is_awaited = daemon_is_awaited,
	        .on_released = daemon_on_released,
	        .arg = daemon};

	daemon->courier =
	        courier_create(&daemon->life.loop, daemon->writer, daemon->config, &events);
	courier_set_mirror(daemon->courier, daemon->mirror);
	return OK;
}

static enum err daemon_create_link(void *owner, struct fault *fault)
{
	struct daemon *daemon = owner;
	struct link_events events = {.on_fatal = daemon_on_fatal,
	        .on_happened = daemon_on_happened,
	        .on_status = daemon_on_status,
	        .arg = daemon};
	struct link_options options = {
	        .loop = &daemon->life.loop,
	        .writer = daemon->writer,
	        .courier = daemon->courier,
	        .new_device = daemon->options->new_device,
	};

	return link_create(&daemon->link, &options, daemon->config, &events, fault);
}

/* The link may use the courier until it is closed itself, and sends are requests of the link's
 * client. */
static enum err daemon_create_sending(void *owner, struct fault *fault)
{
	struct daemon *daemon = owner;

	daemon->sending = daemon->courier;
	return OK;
}

static void daemon_close_sending(void *part, void (*closed)(void *arg), void *arg)
{
	courier_stop(part, GRACE_MS, closed, arg);
}

static enum err daemon_create_meta(void *owner, struct fault *fault)
{
	struct daemon *daemon = owner;

	daemon->meta = meta_create(&daemon->life.loop, daemon->config);
	return OK;
}

static enum err daemon_create_pruner(void *owner, struct fault *fault)
{
	struct daemon *daemon = owner;

	daemon->pruner = pruner_create(&daemon->life.loop, daemon->writer, daemon->config);
	return OK;
}

static enum err create_duty(void *owner, struct fault *fault)
{
	struct daemon *daemon = owner;
	struct duty_env env = {
	        .loop = &daemon->life.loop,
	        .writer = daemon->writer,
	        .courier = daemon->courier,
	        .meta = daemon->meta,
	        .on_status = daemon_on_status,
	        .on_happened = daemon_on_happened,
	        .arg = daemon,
	};

	daemon->duty = duty_create(&env, daemon->config);
	return OK;
}

static struct mx *daemon_on_mx(void *arg)
{
	struct daemon *daemon = arg;

	return link_mx(daemon->link);
}

static const struct rooms *daemon_on_rooms(void *arg)
{
	struct daemon *daemon = arg;

	return link_rooms(daemon->link);
}

static enum err daemon_create_publisher(void *owner, struct fault *fault)
{
	struct daemon *daemon = owner;
	struct publisher_env env = {
	        .loop = &daemon->life.loop,
	        .writer = daemon->writer,
	        .courier = daemon->courier,
	        .mx = daemon_on_mx,
	        .rooms = daemon_on_rooms,
	        .arg = daemon,
	};

	daemon->publisher = publisher_create(&env, daemon->config);
	return OK;
}

static enum err create_sql_watches(void *owner, struct fault *fault)
{
	struct daemon *daemon = owner;
	struct sql_watches_env env = {
	        .loop = &daemon->life.loop,
	        .writer = daemon->writer,
	        .courier = daemon->courier,
	        .on_happened = daemon_on_happened,
	        .arg = daemon,
	};

	daemon->sql_watches = sql_watches_create(&env, daemon->config);
	return OK;
}

static enum err create_spool(void *owner, struct fault *fault)
{
	struct daemon *daemon = owner;
	struct spool_events events = {.on_request = on_spool_request, .arg = daemon};

	return spool_create(
	        &daemon->spool, &daemon->life.loop, daemon->config->storage.spool, &events, fault);
}

static enum err create_ops(void *owner, struct fault *fault)
{
	struct daemon *daemon = owner;
	struct ops_env env = {
	        .loop = &daemon->life.loop,
	        .writer = daemon->writer,
	        .courier = daemon->courier,
	        .on_status = daemon_on_status,
	        .on_vault = on_vault,
	        .on_published = on_published,
	        .on_reload = on_reload,
	        .arg = daemon,
	};

	daemon->ops = ops_create(&env, daemon->config);
	return OK;
}

static enum err create_web(void *owner, struct fault *fault)
{
	struct daemon *daemon = owner;
	struct web_env env = {
	        .loop = &daemon->life.loop, .on_request = daemon_on_request, .arg = daemon};

	return web_create(&daemon->web, &env, daemon->config, fault);
}

static void daemon_on_http(int fd, void *arg)
{
	struct daemon *daemon = arg;

	web_take(daemon->web, fd);
}

static enum err create_server(void *owner, struct fault *fault)
{
	struct daemon *daemon = owner;
	struct server_events events = {
	        .on_request = daemon_on_request, .on_http = daemon_on_http, .arg = daemon};

	return server_create(&daemon->server, &daemon->life.loop, daemon->config, &events, fault);
}

PART_CLOSE(reload)
PART_CLOSE(writer)
PART(mirror)
PART(courier)
PART(link)
PART(meta)
PART(pruner)
PART(duty)
PART(publisher)
PART(sql_watches)
PART_CLOSE(spool)
PART(ops)
PART(web)
PART(server)

#define SLOT(x) offsetof(struct daemon, x)

/* clang-format off */
static const struct part parts[] = {
	{"reload", SLOT(reload), daemon_create_reload, NULL, close_reload},
	{"writer", SLOT(writer), daemon_create_writer, NULL, close_writer},
	{"mirror", SLOT(mirror), create_mirror, configure_mirror, close_mirror},
	{"courier", SLOT(courier), daemon_create_courier, configure_courier, close_courier},
	{"link", SLOT(link), daemon_create_link, configure_link, close_link},
	{"sending", SLOT(sending), daemon_create_sending, NULL, daemon_close_sending, .along = true},
	{"meta", SLOT(meta), daemon_create_meta, configure_meta, close_meta},
	{"pruner", SLOT(pruner), daemon_create_pruner, configure_pruner, close_pruner},
	{"duty", SLOT(duty), create_duty, configure_duty, close_duty},
	{"charts", SLOT(publisher), daemon_create_publisher, configure_publisher, close_publisher},
	{"SQL watches", SLOT(sql_watches), create_sql_watches, configure_sql_watches, close_sql_watches},
	{"spool", SLOT(spool), create_spool, NULL, close_spool},
	{"ops", SLOT(ops), create_ops, configure_ops, close_ops, .along = true},
	{"http", SLOT(web), create_web, configure_web, close_web, .along = true},
	{"server", SLOT(server), create_server, configure_server, close_server},
};
/* clang-format on */

/* --- running ------------------------------------------------------------------------------ */

static int daemon_load(struct daemon *daemon)
{
	if (reload_first(daemon->options->config_path, &daemon->config) != OK)
		return EX_CONFIG;
	return life_open_store("bot", daemon->config, &daemon->store);
}

static void daemon_on_opened(void *owner)
{
	const struct daemon *daemon = owner;

	log_info("bot", "version %s, accepting alerts on %s", BOT_VERSION,
	        daemon->config->socket.path);
}

int daemon_run(const struct daemon_options *options)
{
	struct daemon *daemon = x_calloc(1, sizeof(*daemon));
	int rc;

	files_raise_limit();
	life_prepare();
	daemon->options = options;
	daemon->started_ms = clock_now_ms();
	rc = daemon_load(daemon);
	if (rc == EX_OK) {
		life_init(&daemon->life, "bot", parts, sizeof(parts) / sizeof(parts[0]), daemon);
		rc = life_run(&daemon->life, daemon_on_opened);
		store_close(daemon->store);
	}
	config_unref(daemon->config);
	free(daemon);
	return rc;
}

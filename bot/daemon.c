/*
 * daemon.c - see daemon.h.
 *
 * Order of taking apart, each step when the one before is over: the verbs and the socket (all
 * replies out), the spool, the watches, what falls due and its channels, the courier (sends in
 * flight get a few seconds), the link, the mirror and the writer, the store. What is cut off on the
 * way is in the database and goes on at the next start.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <uv.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/log.h"
#include "bot/base/zone.h"
#include "bot/daemon.h"
#include "bot/delivery/courier.h"
#include "bot/schedule/duty.h"
#include "bot/intake/server.h"
#include "bot/intake/spool.h"
#include "bot/loop/life.h"
#include "bot/link/link.h"
#include "bot/delivery/calls_mirror.h"
#include "bot/loop/notify.h"
#include "bot/ops/ops.h"
#include "bot/schedule/pruner.h"
#include "bot/loop/reload.h"
#include "bot/schedule/sql_watches.h"
#include "bot/loop/writer.h"

#define GRACE_MS 3000 /* for sends in flight at a stop */
#define REPORT_MAX (64 * 1024)
#define FILES_WANTED 8192 /* twice the most of [socket] max_clients */

struct daemon {
	struct life life;
	struct config *config;
	struct store *store;
	struct writer *writer;
	struct courier *courier;
	struct mirror *mirror; /* or NULL */
	struct ops *ops;
	struct duty *duty;
	struct sql_watches *sql_watches;
	struct pruner *prune;
	struct meta *meta;
	struct server *server;
	struct spool *spool;
	struct link *link;
	struct reload *reload;
	int64_t started_ms;
	unsigned waiting; /* closes outstanding in the present step of stopping */
	bool stopping;
	int exit_code;
};

/* --- stopping ----------------------------------------------------------------------------- */

static void on_reload_closed(void *arg)
{
}

static void on_writer_closed(void *arg)
{
	struct daemon *daemon = arg;

	daemon->writer = NULL;
	life_close(&daemon->life);
	reload_close(daemon->reload, on_reload_closed, daemon);
}

static void on_mirror_closed(void *arg)
{
	struct daemon *daemon = arg;

	daemon->mirror = NULL;
	writer_close(daemon->writer, on_writer_closed, daemon);
}

static void on_link_closed(void *arg)
{
	struct daemon *daemon = arg;

	daemon->link = NULL;
	courier_destroy(daemon->courier); /* the link's parts may poke it until their end */
	daemon->courier = NULL;
	if (daemon->mirror)
		mirror_close(daemon->mirror, on_mirror_closed, daemon);
	else
		on_mirror_closed(daemon);
}

static void on_courier_closed(void *arg)
{
	struct daemon *daemon = arg;

	link_close(daemon->link, on_link_closed, daemon);
}

static void on_meta_closed(void *arg)
{
	struct daemon *daemon = arg;

	daemon->meta = NULL;
	courier_close(daemon->courier, GRACE_MS, on_courier_closed, daemon);
}

static void on_prune_closed(void *arg)
{
	struct daemon *daemon = arg;

	daemon->prune = NULL;
	meta_close(daemon->meta, on_meta_closed, daemon);
}

static void on_duty_closed(void *arg)
{
	struct daemon *daemon = arg;

	daemon->duty = NULL;
	pruner_close(daemon->prune, on_prune_closed, daemon);
}

static void on_sql_watches_closed(void *arg)
{
	struct daemon *daemon = arg;

	daemon->sql_watches = NULL;
	duty_close(daemon->duty, on_duty_closed, daemon);
}

static void on_spool_closed(void *arg)
{
	struct daemon *daemon = arg;

	daemon->spool = NULL;
	sql_watches_close(daemon->sql_watches, on_sql_watches_closed, daemon);
}

static void on_intake_closed(struct daemon *daemon)
{
	if (--daemon->waiting == 0)
		spool_close(daemon->spool, on_spool_closed, daemon);
}

static void on_ops_closed(void *arg)
{
	struct daemon *daemon = arg;

	daemon->ops = NULL;
	on_intake_closed(daemon);
}

static void on_server_closed(void *arg)
{
	struct daemon *daemon = arg;

	daemon->server = NULL;
	on_intake_closed(daemon);
}

static void daemon_stop(void *arg)
{
	struct daemon *daemon = arg;

	if (daemon->stopping)
		return;
	daemon->stopping = true;
	notify_stopping();
	daemon->waiting = 2;
	ops_close(daemon->ops, on_ops_closed, daemon);
	server_close(daemon->server, on_server_closed, daemon);
}

static void on_fatal(const char *message, void *arg)
{
	struct daemon *daemon = arg;

	log_error("bot", "%s", message);
	daemon->exit_code = EX_CONFIG;
	daemon_stop(daemon);
}

/* --- reload ------------------------------------------------------------------------------- */

static void daemon_swap_mirror(struct daemon *daemon, struct config *config)
{
	struct mirror *fresh = NULL;
	struct fault fault = {0};

	if (mirror_create(&fresh, &daemon->life.loop, config, &fault) != OK)
		log_error("bot", "call_monitor: %s", fault.text);
	courier_set_mirror(daemon->courier, fresh);
	daemon->mirror = fresh;
}

static void on_old_mirror_closed(void *arg)
{
}

/* What was changed and stays as it is must not look as if it had been taken over. */
static void daemon_tell_restart(const struct config *from, const struct config *to)
{
	struct buf names;

	buf_init(&names, REPORT_MAX);
	config_name_restart_keys(from, to, &names);
	if (names.len > 0)
		log_warning(
		        "config", "from the next start on count changes of %s", buf_str(&names));
	buf_finish(&names);
}

static bool on_config(struct config *config, void *arg)
{
	struct daemon *daemon = arg;

	if (daemon->stopping)
		return false;
	daemon_tell_restart(daemon->config, config);
	server_configure(daemon->server, config);
	ops_configure(daemon->ops, config);
	courier_configure(daemon->courier, config);
	zone_use(config->heartbeat.timezone);
	duty_configure(daemon->duty, config);
	sql_watches_configure(daemon->sql_watches, config);
	pruner_configure(daemon->prune, config);
	meta_configure(daemon->meta, config);
	link_configure(daemon->link, config);
	if (daemon->mirror)
		mirror_close(daemon->mirror, on_old_mirror_closed, NULL);
	daemon_swap_mirror(daemon, config);
	config_unref(daemon->config);
	daemon->config = config_ref(config);
	return true;
}

/* --- between the parts -------------------------------------------------------------------- */

static void on_request(
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

	if (daemon->stopping) /* the file stays for the next start */
		spool_done(daemon->spool, ERR_CANCELED, "the daemon is stopping");
	else
		ops_take(daemon->ops, request, on_spool_taken, daemon);
}

static void on_result(const char *what, const char *room, int64_t outbox_id, const char *event_id,
        enum err err, const char *error, void *arg)
{
	struct daemon *daemon = arg;

	if (daemon->ops)
		ops_result(daemon->ops, what, room, outbox_id, event_id, err, error);
}

static void on_status(struct report_status *status, void *arg)
{
	struct daemon *daemon = arg;
	struct courier_counters counters = courier_counters(daemon->courier);
	const struct rooms *rooms = link_rooms(daemon->link);
	const struct vault *vault = link_vault(daemon->link);
	struct report_room *list;

	status->started_ms = daemon->started_ms;
	status->homeserver = link_homeserver(daemon->link);
	status->problem = link_problem(daemon->link);
	status->last_sync_ms = link_last_sync_ms(daemon->link);
	status->identity = vault_identity(vault);
	status->encryption_problem = vault_problem(vault);
	status->fingerprint = vault_fingerprint(vault);
	status->notices = vault_notices(vault);
	status->verified = vault_verified(vault);
	status->verifications = vault_verifications(vault);
	status->sent = counters.sent;
	status->retried = counters.retried;
	status->in_flight = counters.in_flight;
	status->clients = daemon->server ? server_clients(daemon->server) : 0;
	status->rooms_len = rooms ? rooms_len(rooms) : 0;
	list = x_calloc(status->rooms_len + 1, sizeof(*list));
	for (size_t i = 0; i < status->rooms_len; i++) {
		const struct room *room = rooms_at(rooms, i);

		list[i] = (struct report_room){
		        .name = room->name,
		        .address = room->address,
		        .room_id = room->room_id,
		        .problem = room->ready || room->problem[0] ? room->problem
		                                                   : "not resolved yet",
		        .encrypted = room->encrypted,
		        .denied = room->denied,
		};
	}
	status->rooms = list;
	status->watches = daemon->sql_watches
	                          ? sql_watches_report(daemon->sql_watches, &status->watches_len)
	                          : NULL;
}

static struct vault *on_vault(void *arg)
{
	struct daemon *daemon = arg;

	return link_vault(daemon->link);
}

static void on_happened(json_t *event, void *arg)
{
	struct daemon *daemon = arg;

	if (daemon->ops)
		ops_happened(daemon->ops, event);
	else
		json_decref(event);
}

/* --- life --------------------------------------------------------------------------------- */

/* Brings up everything on the loop. On failure the process ends: nothing was acknowledged. */
static int daemon_start(
        struct daemon *daemon, const struct daemon_options *options, struct fault *fault)
{
	struct courier_events courier_events = {.on_result = on_result, .arg = daemon};
	struct server_events server_events = {.on_request = on_request, .arg = daemon};
	struct spool_events spool_events = {.on_request = on_spool_request, .arg = daemon};
	struct link_events link_events = {.on_fatal = on_fatal,
	        .on_happened = on_happened,
	        .on_status = on_status,
	        .arg = daemon};
	struct duty_env duty_env;
	struct link_options link_options;
	struct sql_watches_env sql_watches_env;
	struct ops_env env;
	enum err err;

	daemon->writer = writer_create(&daemon->life.loop, daemon->store);
	daemon->courier =
	        courier_create(&daemon->life.loop, daemon->writer, daemon->config, &courier_events);
	sql_watches_env = (struct sql_watches_env){
	        .loop = &daemon->life.loop,
	        .writer = daemon->writer,
	        .courier = daemon->courier,
	        .on_happened = on_happened,
	        .arg = daemon,
	};
	daemon->sql_watches = sql_watches_create(&sql_watches_env, daemon->config);
	daemon->meta = meta_create(&daemon->life.loop, daemon->config);
	duty_env = (struct duty_env){
	        .loop = &daemon->life.loop,
	        .writer = daemon->writer,
	        .courier = daemon->courier,
	        .meta = daemon->meta,
	        .on_status = on_status,
	        .on_happened = on_happened,
	        .arg = daemon,
	};
	daemon->duty = duty_create(&duty_env, daemon->config);
	daemon->prune = pruner_create(&daemon->life.loop, daemon->writer, daemon->config);
	daemon_swap_mirror(daemon, daemon->config);
	env = (struct ops_env){
	        .loop = &daemon->life.loop,
	        .writer = daemon->writer,
	        .courier = daemon->courier,
	        .on_status = on_status,
	        .on_vault = on_vault,
	        .arg = daemon,
	};
	daemon->ops = ops_create(&env, daemon->config);
	err = server_create(
	        &daemon->server, &daemon->life.loop, daemon->config, &server_events, fault);
	if (err != OK)
		return err == ERR_BUSY ? EX_TEMPFAIL : EX_CONFIG;
	err = spool_create(&daemon->spool, &daemon->life.loop, daemon->config->storage.spool,
	        &spool_events, fault);
	if (err != OK)
		return EX_CONFIG;
	link_options = (struct link_options){
	        .loop = &daemon->life.loop,
	        .writer = daemon->writer,
	        .courier = daemon->courier,
	        .new_device = options->new_device,
	};
	err = link_create(&daemon->link, &link_options, daemon->config, &link_events, fault);
	return err == OK ? EX_OK : EX_CONFIG;
}

static int daemon_load(struct daemon *daemon, const struct daemon_options *options)
{
	if (reload_first(options->config_path, &daemon->config) != OK)
		return EX_CONFIG;
	return life_open_store("bot", daemon->config, &daemon->store);
}

/* Clients, the database and the homeserver share the descriptors, and shells allow few. */
static void daemon_raise_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= FILES_WANTED)
		return;
	limit.rlim_cur = limit.rlim_max < FILES_WANTED ? limit.rlim_max : FILES_WANTED;
	setrlimit(RLIMIT_NOFILE, &limit); /* should it fail, it goes on with less */
}

int daemon_run(const struct daemon_options *options)
{
	struct fault fault = {0};
	struct daemon *daemon = x_calloc(1, sizeof(*daemon));
	int rc;

	daemon_raise_files();
	life_prepare();
	daemon->started_ms = clock_now_ms();
	rc = daemon_load(daemon, options);
	if (rc != EX_OK) {
		config_unref(daemon->config);
		free(daemon);
		return rc;
	}
	life_init(&daemon->life, "bot", daemon_stop, daemon);
	rc = daemon_start(daemon, options, &fault);
	if (rc != EX_OK) {
		log_error("bot", "%s", fault.text);
		exit(rc); /* handles half up; the kernel takes them, and nothing was promised yet */
	}
	life_start(&daemon->life);
	daemon->reload = reload_create(&daemon->life.loop, daemon->config->path, on_config, daemon);
	log_info("bot", "version %s takes alerts on %s", BOT_VERSION, daemon->config->socket.path);
	notify_ready();
	life_run(&daemon->life);
	store_close(daemon->store);
	config_unref(daemon->config);
	rc = daemon->exit_code;
	free(daemon);
	return rc;
}

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

struct bot {
	struct life life;
	struct config *config;
	struct store *store;
	struct writer *writer;
	struct courier *courier;
	struct mirror *mirror; /* or NULL */
	struct ops *ops;
	struct duty *duty;
	struct sqlwatches *sqlwatches;
	struct prune *prune;
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
	struct bot *bot = arg;

	bot->writer = NULL;
	life_close(&bot->life);
	reload_close(bot->reload, on_reload_closed, bot);
}

static void on_mirror_closed(void *arg)
{
	struct bot *bot = arg;

	bot->mirror = NULL;
	writer_close(bot->writer, on_writer_closed, bot);
}

static void on_link_closed(void *arg)
{
	struct bot *bot = arg;

	bot->link = NULL;
	courier_destroy(bot->courier); /* the link's parts may poke it until their end */
	bot->courier = NULL;
	if (bot->mirror)
		mirror_close(bot->mirror, on_mirror_closed, bot);
	else
		on_mirror_closed(bot);
}

static void on_courier_closed(void *arg)
{
	struct bot *bot = arg;

	link_close(bot->link, on_link_closed, bot);
}

static void on_meta_closed(void *arg)
{
	struct bot *bot = arg;

	bot->meta = NULL;
	courier_close(bot->courier, GRACE_MS, on_courier_closed, bot);
}

static void on_prune_closed(void *arg)
{
	struct bot *bot = arg;

	bot->prune = NULL;
	meta_close(bot->meta, on_meta_closed, bot);
}

static void on_duty_closed(void *arg)
{
	struct bot *bot = arg;

	bot->duty = NULL;
	prune_close(bot->prune, on_prune_closed, bot);
}

static void on_sqlwatches_closed(void *arg)
{
	struct bot *bot = arg;

	bot->sqlwatches = NULL;
	duty_close(bot->duty, on_duty_closed, bot);
}

static void on_spool_closed(void *arg)
{
	struct bot *bot = arg;

	bot->spool = NULL;
	sqlwatches_close(bot->sqlwatches, on_sqlwatches_closed, bot);
}

static void on_intake_closed(struct bot *bot)
{
	if (--bot->waiting == 0)
		spool_close(bot->spool, on_spool_closed, bot);
}

static void on_ops_closed(void *arg)
{
	struct bot *bot = arg;

	bot->ops = NULL;
	on_intake_closed(bot);
}

static void on_server_closed(void *arg)
{
	struct bot *bot = arg;

	bot->server = NULL;
	on_intake_closed(bot);
}

static void bot_stop(void *arg)
{
	struct bot *bot = arg;

	if (bot->stopping)
		return;
	bot->stopping = true;
	notify_stopping();
	bot->waiting = 2;
	ops_close(bot->ops, on_ops_closed, bot);
	server_close(bot->server, on_server_closed, bot);
}

static void on_fatal(const char *message, void *arg)
{
	struct bot *bot = arg;

	log_error("bot", "%s", message);
	bot->exit_code = EX_CONFIG;
	bot_stop(bot);
}

/* --- reload ------------------------------------------------------------------------------- */

static void bot_swap_mirror(struct bot *bot, struct config *config)
{
	struct mirror *fresh = NULL;
	struct fault fault = {0};

	if (mirror_create(&fresh, &bot->life.loop, config, &fault) != OK)
		log_error("bot", "call_monitor: %s", fault.text);
	courier_set_mirror(bot->courier, fresh);
	bot->mirror = fresh;
}

static void on_old_mirror_closed(void *arg)
{
}

/* What was changed and stays as it is must not look as if it had been taken over. */
static void bot_tell_restart(const struct config *from, const struct config *to)
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
	struct bot *bot = arg;

	if (bot->stopping)
		return false;
	bot_tell_restart(bot->config, config);
	server_configure(bot->server, config);
	ops_configure(bot->ops, config);
	courier_configure(bot->courier, config);
	zone_use(config->heartbeat.timezone);
	duty_configure(bot->duty, config);
	sqlwatches_configure(bot->sqlwatches, config);
	prune_configure(bot->prune, config);
	meta_configure(bot->meta, config);
	link_configure(bot->link, config);
	if (bot->mirror)
		mirror_close(bot->mirror, on_old_mirror_closed, NULL);
	bot_swap_mirror(bot, config);
	config_unref(bot->config);
	bot->config = config_ref(config);
	return true;
}

/* --- between the parts -------------------------------------------------------------------- */

static void on_request(
        const json_t *request, const struct alert_peer *peer, struct reply *reply, void *arg)
{
	struct bot *bot = arg;

	ops_request(bot->ops, request, peer, reply);
}

static void on_spool_taken(enum err result, const char *message, void *arg)
{
	struct bot *bot = arg;

	spool_done(bot->spool, result, message);
}

static void on_spool_request(const json_t *request, void *arg)
{
	struct bot *bot = arg;

	if (bot->stopping) /* the file stays for the next start */
		spool_done(bot->spool, ERR_CANCELED, "the daemon is stopping");
	else
		ops_take(bot->ops, request, on_spool_taken, bot);
}

static void on_result(const char *what, const char *room, int64_t outbox_id, const char *event_id,
        enum err code, const char *error, void *arg)
{
	struct bot *bot = arg;

	if (bot->ops)
		ops_result(bot->ops, what, room, outbox_id, event_id, code, error);
}

static void on_status(struct report_status *status, void *arg)
{
	struct bot *bot = arg;
	struct courier_counters counters = courier_counters(bot->courier);
	const struct rooms *rooms = link_rooms(bot->link);
	const struct vault *vault = link_vault(bot->link);
	struct report_room *list;
	size_t i;

	status->started_ms = bot->started_ms;
	status->homeserver = link_homeserver(bot->link);
	status->problem = link_problem(bot->link);
	status->last_sync_ms = link_last_sync_ms(bot->link);
	status->identity = vault_identity(vault);
	status->encryption_problem = vault_problem(vault);
	status->fingerprint = vault_fingerprint(vault);
	status->notices = vault_notices(vault);
	status->verified = vault_verified(vault);
	status->verifications = vault_verifications(vault);
	status->sent = counters.sent;
	status->retried = counters.retried;
	status->in_flight = counters.in_flight;
	status->clients = bot->server ? server_clients(bot->server) : 0;
	status->rooms_len = rooms ? rooms_len(rooms) : 0;
	list = x_calloc(status->rooms_len + 1, sizeof(*list));
	for (i = 0; i < status->rooms_len; i++) {
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
	status->watches =
	        bot->sqlwatches ? sqlwatches_report(bot->sqlwatches, &status->watches_len) : NULL;
}

static struct vault *on_vault(void *arg)
{
	struct bot *bot = arg;

	return link_vault(bot->link);
}

static void on_happened(json_t *event, void *arg)
{
	struct bot *bot = arg;

	if (bot->ops)
		ops_happened(bot->ops, event);
	else
		json_decref(event);
}

/* --- life --------------------------------------------------------------------------------- */

/* Brings up everything on the loop. On failure the process ends: nothing was acknowledged. */
static int bot_start(struct bot *bot, const struct bot_options *options, struct fault *fault)
{
	struct courier_events courier_events = {.on_result = on_result, .arg = bot};
	struct server_events server_events = {.on_request = on_request, .arg = bot};
	struct spool_events spool_events = {.on_request = on_spool_request, .arg = bot};
	struct link_events link_events = {.on_fatal = on_fatal,
	        .on_happened = on_happened,
	        .on_status = on_status,
	        .arg = bot};
	struct duty_env duty_env;
	struct link_options link_options;
	struct sqlwatches_env sqlwatches_env;
	struct ops_env env;
	enum err err;

	bot->writer = writer_create(&bot->life.loop, bot->store);
	bot->courier = courier_create(&bot->life.loop, bot->writer, bot->config, &courier_events);
	sqlwatches_env = (struct sqlwatches_env){
	        .loop = &bot->life.loop,
	        .writer = bot->writer,
	        .courier = bot->courier,
	        .on_happened = on_happened,
	        .arg = bot,
	};
	bot->sqlwatches = sqlwatches_create(&sqlwatches_env, bot->config);
	bot->meta = meta_create(&bot->life.loop, bot->config);
	duty_env = (struct duty_env){
	        .loop = &bot->life.loop,
	        .writer = bot->writer,
	        .courier = bot->courier,
	        .meta = bot->meta,
	        .on_status = on_status,
	        .on_happened = on_happened,
	        .arg = bot,
	};
	bot->duty = duty_create(&duty_env, bot->config);
	bot->prune = prune_create(&bot->life.loop, bot->writer, bot->config);
	bot_swap_mirror(bot, bot->config);
	env = (struct ops_env){
	        .loop = &bot->life.loop,
	        .writer = bot->writer,
	        .courier = bot->courier,
	        .on_status = on_status,
	        .on_vault = on_vault,
	        .arg = bot,
	};
	bot->ops = ops_create(&env, bot->config);
	err = server_create(&bot->server, &bot->life.loop, bot->config, &server_events, fault);
	if (err != OK)
		return err == ERR_BUSY ? EX_TEMPFAIL : EX_CONFIG;
	err = spool_create(
	        &bot->spool, &bot->life.loop, bot->config->storage.spool, &spool_events, fault);
	if (err != OK)
		return EX_CONFIG;
	link_options = (struct link_options){
	        .loop = &bot->life.loop,
	        .writer = bot->writer,
	        .courier = bot->courier,
	        .new_device = options->new_device,
	};
	err = link_create(&bot->link, &link_options, bot->config, &link_events, fault);
	return err == OK ? EX_OK : EX_CONFIG;
}

static int bot_load(struct bot *bot, const struct bot_options *options)
{
	if (reload_first(options->config_path, &bot->config) != OK)
		return EX_CONFIG;
	return life_open_store("bot", bot->config, &bot->store);
}

/* Clients, the database and the homeserver share the descriptors, and shells allow few. */
static void bot_raise_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= FILES_WANTED)
		return;
	limit.rlim_cur = limit.rlim_max < FILES_WANTED ? limit.rlim_max : FILES_WANTED;
	setrlimit(RLIMIT_NOFILE, &limit); /* should it fail, it goes on with less */
}

int bot_run(const struct bot_options *options)
{
	struct fault fault = {0};
	struct bot *bot = x_calloc(1, sizeof(*bot));
	int rc;

	bot_raise_files();
	life_prepare();
	bot->started_ms = clock_now_ms();
	rc = bot_load(bot, options);
	if (rc != EX_OK) {
		config_unref(bot->config);
		free(bot);
		return rc;
	}
	life_init(&bot->life, "bot", bot_stop, bot);
	rc = bot_start(bot, options, &fault);
	if (rc != EX_OK) {
		log_error("bot", "%s", fault.text);
		exit(rc); /* handles half up; the kernel takes them, and nothing was promised yet */
	}
	life_start(&bot->life);
	bot->reload = reload_create(&bot->life.loop, bot->config->path, on_config, bot);
	log_info("bot", "version %s takes alerts on %s", BOT_VERSION, bot->config->socket.path);
	notify_ready();
	life_run(&bot->life);
	store_close(bot->store);
	config_unref(bot->config);
	rc = bot->exit_code;
	free(bot);
	return rc;
}

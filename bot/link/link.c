/*
 * link.c - see link.h. Closing goes in this order: sync, members, rooms, vault, auth, HTTP.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/log.h"
#include "bot/link/link_internal.h"
#include "bot/matrix/backoff.h"
#include "bot/matrix/discovery.h"
#include "bot/loop/notify.h"

static void link_on_timer(uv_timer_t *timer);
static void link_discover(struct link *link);
static void link_closing(struct link *link);

void link_problem_set(struct link *link, const char *problem)
{
	snprintf(link->problem, sizeof(link->problem), "%.250s", problem);
	notify_status("%s", problem[0] ? problem : "online");
}

void link_retry(struct link *link)
{
	uv_timer_start(&link->timer, link_on_timer,
	        (uint64_t)backoff_ms(link->failures, -1, arc4random()), 0);
}

void link_job_ended(struct link *link)
{
	link->jobs--;
	if (link->closing)
		link_closing(link);
}

/* --- rooms and sync ----------------------------------------------------------------------- */

static bool link_is_oncall_room(const struct link *link, const char *name)
{
	for (size_t i = 0; i < link->config->oncalls_len; i++)
		if (strcmp(link->config->oncalls[i].room, name) == 0)
			return true;
	return false;
}

static void link_follow(struct link *link, const struct room *room)
{
	if (room->encrypted || link_is_oncall_room(link, room->name))
		members_follow(link->members, room->room_id);
}

static void link_on_room(const struct room *room, void *arg)
{
	struct link *link = arg;

	if (link->closing)
		return;
	link_store_settled(link);
	if (!room->ready)
		return;
	link_follow(link, room);
	link_store_room(link, room->name, room->room_id, room->address, NULL);
	if (link->online)
		courier_poke(link->options.courier);
}

static void link_on_encrypted(const char *room_id, const json_t *content, void *arg)
{
	json_t *empty = json_object();

	link_store_room(arg, NULL, room_id, NULL, json_is_object(content) ? content : empty);
	json_decref(empty);
}

static void link_on_stored(bool changed, void *arg)
{
	struct link *link = arg;

	if (changed && link->caught_up)
		vault_pump(link->vault);
	else if (changed)
		vault_pump_at_start(link->vault);
	if (link->closing)
		return;
	if (!link->caught_up && link->online) /* encrypted rooms may have waited for it */
		courier_poke(link->options.courier);
	link->caught_up = true;
	if (link->events.on_stored)
		link->events.on_stored(link->first, link->events.arg);
	sync_next(link->sync, changed);
}

/* Hands the answer that waits on. */
static void link_hand_on(struct link *link)
{
	struct link_answer answer = link->answer;

	memset(&link->answer, 0, sizeof(link->answer));
	link->first = answer.first;
	timeline_take(link->timeline, answer.body, answer.first ? NULL : link->since,
	        answer.next_batch, answer.blind);
	free(link->since);
	link->since = answer.next_batch;
	json_decref(answer.body);
}

/* What the answer says of rooms makes them ready; what was written in them waits for the keys. */
static void link_on_batch(
        const json_t *answer, const char *next_batch, bool first, bool blind, void *arg)
{
	struct link *link = arg;

	rooms_take_sync(link->rooms, answer, !first && !blind);
	link_store_settled(link);
	for (size_t i = 0; blind && i < rooms_len(link->rooms); i++)
		rooms_recheck(link->rooms, rooms_at(link->rooms, i)->name);
	if (first || blind)
		members_refresh(link->members);
	else
		members_take_sync(link->members, answer);
	link->answer = (struct link_answer){
	        json_incref((json_t *)answer), x_strdup(next_batch), first, blind};
	if (link->keys_settled)
		link_hand_on(link);
}

/* --- encryption --------------------------------------------------------------------------- */

/* The homeserver deletes to-device events once the next answer of /sync is requested, so the first
 * one waits until the machine, or what keeps them for it, can process them. */
static void link_on_vault_settled(void *arg)
{
	struct link *link = arg;

	link->keys_settled = true;
	if (!link->closing && link->answer.body)
		link_hand_on(link);
}

static void link_on_vault_change(void *arg)
{
	struct link *link = arg;

	if (link->closing) /* the courier is closed already */
		return;
	if (link->timeline)
		timeline_retry(link->timeline);
	if (link->online)
		courier_poke(link->options.courier);
}

static void link_on_members(const char *room_id, void *arg)
{
	struct link *link = arg;
	const struct member_list *list;
	json_t *users;

	if (!link->closing)
		vault_members_changed(link->vault);
	list = link->closing || link->config->oncalls_len == 0 ? NULL
	                                                       : members_of(link->members, room_id);
	if (list) {
		users = json_array();
		for (size_t i = 0; i < list->joined; i++)
			json_array_append_new(users, json_string(list->users[i]));
		json_object_set_new(link->joined, room_id, users);
	}
	link_on_vault_change(arg);
}

static struct member_list *link_members_for(const char *room_id, void *arg)
{
	struct link *link = arg;

	return link->members ? members_of(link->members, room_id) : NULL;
}

static void link_on_waits(void *arg)
{
	struct link *link = arg;

	vault_room_waits(link->vault);
}

static void link_on_leaves(void *arg)
{
	struct link *link = arg;

	vault_pump_soon(link->vault);
}

static void link_on_sync_state(bool up, const char *error, void *arg)
{
	struct link *link = arg;

	link->told = true;
	if (!up) {
		log_warning("link",
		        "the homeserver does not answer, retrying; alerts wait in the queue: %s",
		        error);
		link_problem_set(link, error);
		return;
	}
	log_info("link", "connected to %s", link->homeserver);
	link_problem_set(link, "");
	courier_server_up(link->options.courier);
	for (size_t i = 0; i < rooms_len(link->rooms); i++)
		if (!rooms_at(link->rooms, i)->ready)
			rooms_recheck(link->rooms, rooms_at(link->rooms, i)->name);
}

/* --- the token ---------------------------------------------------------------------------- */

static void link_on_happened(json_t *event, void *arg)
{
	struct link *link = arg;

	link->events.on_happened(event, link->events.arg);
}

static void link_on_status(struct report_status *status, void *arg)
{
	struct link *link = arg;

	link->events.on_status(status, link->events.arg);
}

void link_go_online(struct link *link, const struct identity_job *job)
{
	struct rooms_events rooms_events = {link_on_room, link_on_encrypted, link};
	struct sync_events sync_events = {link_on_batch, link_on_sync_state, link};
	struct members_events members_events = {link_on_members, link};
	struct timeline_events timeline_events = {
	        link_on_stored, link_on_happened, link_on_status, link};
	struct timeline_options timeline_options;

	if (job != link->stored && !(link->online && link->told))
		link_problem_set(link, "");
	if (link->online) /* by a known token, which is confirmed now */
		return;
	link->online = true;
	if (!link->rooms) {
		link->rooms =
		        rooms_create(link->options.loop, link->mx, job->user_id, &rooms_events);
		for (size_t i = 0; i < job->encrypted_len; i++)
			rooms_remember_encrypted(
			        link->rooms, job->encrypted[i].room_id, job->encrypted[i].address);
		if (job->since) {
			rooms_remember_settled(link->rooms, job->settled);
			link->settled =
			        job->settled ? json_dumps(job->settled, JSON_COMPACT) : NULL;
		}
		link->members = members_create(link->options.loop, link->mx, &members_events);
		link->since = x_strdup_opt(job->since);
		link->sync = sync_create(link->options.loop, link->mx, job->user_id, &sync_events);
		sync_start(link->sync, link->since);
		rooms_configure(link->rooms, link->config);
		link_store_settled(link);
		timeline_options = (struct timeline_options){
		        .loop = link->options.loop,
		        .writer = link->options.writer,
		        .courier = link->options.courier,
		        .mx = link->mx,
		        .rooms = link->rooms,
		        .core = vault_core(link->vault),
		        .on_event = link->options.on_event,
		};
		link->timeline = timeline_create(&timeline_options, link->config, &timeline_events);
	} else {
		for (size_t i = 0; i < rooms_len(link->rooms); i++)
			if (!rooms_at(link->rooms, i)->ready)
				rooms_recheck(link->rooms, rooms_at(link->rooms, i)->name);
		sync_wake(link->sync);
	}
	vault_set_online(link->vault, link->mx, link->rooms, job->user_id, job->device_id,
	        job->new_device && job->stored_device &&
	                strcmp(job->stored_device, job->device_id) != 0);
	courier_set_online(
	        link->options.courier, link->mx, link->rooms, job->user_id, job->device_id);
}

static bool link_is_known(
        const char *token, const char **user_id, const char **device_id, void *arg)
{
	const struct link *link = arg;

	if (!link_knows_token(link, token))
		return false;
	*user_id = link->stored->stored_user;
	*device_id = link->stored->stored_device;
	return true;
}

static void link_on_ready(
        const char *user_id, const char *device_id, const char *token, bool proven, void *arg)
{
	struct link *link = arg;

	if (link->closing)
		return;
	if (proven) {
		identity_begin(link, user_id, device_id, token);
	} else {
		link->stored->user_id = x_strdup(user_id);
		link->stored->device_id = x_strdup(device_id);
		link_go_online(link, link->stored);
	}
}

static void link_on_lost(const char *problem, void *arg)
{
	struct link *link = arg;

	if (link->closing)
		return;
	link->online = false;
	link_problem_set(link, problem);
	vault_set_offline(link->vault);
	courier_set_offline(link->options.courier);
}

static void link_on_auth_lost(bool soft_logout, void *arg)
{
	struct link *link = arg;

	if (link->auth && !link->closing)
		auth_lost(link->auth, soft_logout);
}

/* --- discovery ---------------------------------------------------------------------------- */

static void link_on_timer(uv_timer_t *timer)
{
	struct link *link = timer->data;
	struct identity_job *job = link->identity;

	link->identity = NULL;
	if (job)
		identity_submit(job);
	else
		link_discover(link);
}

static void link_on_discovered(const char *url, const struct fault *fault, void *arg)
{
	struct link *link = arg;
	struct mx_events mx_events = {link_on_auth_lost, link};
	struct auth_events auth_events = {link_is_known, link_on_ready, link_on_lost, link};

	if (link->closing)
		return;
	if (!url) {
		if (link->failures++ == 0)
			log_warning("link", "%s", fault->text);
		link_problem_set(link, fault->text);
		link_retry(link);
		return;
	}
	link->failures = 0;
	free(link->homeserver);
	link->homeserver = x_strdup(url);
	link->mx = mx_create(link->http, url, &mx_events);
	link->auth = auth_create(link->options.loop, link->mx, link->config, &auth_events);
}

static void link_discover(struct link *link)
{
	const char *homeserver = link->config->matrix.homeserver;
	char *url = discovery_url(homeserver);

	if (url)
		link_on_discovered(url, NULL, link);
	else
		discovery_start(link->http, homeserver, link_on_discovered, link);
	free(url);
}

/* --- creation and closing ----------------------------------------------------------------- */

enum err link_create(struct link **out, const struct link_options *options, struct config *config,
        const struct link_events *events, struct fault *fault)
{
	struct link *link = x_calloc(1, sizeof(*link));
	struct http_options http_options = {
	        .proxy = config->matrix.proxy,
	        .ca_file = config->matrix.ca_file,
	        .user_agent = "matrix-telemetry-bot/" BOT_VERSION,
	};
	struct vault_events vault_events = {
	        link_on_vault_settled, link_on_vault_change, link_members_for, link};
	struct courier_cipher cipher;
	enum err err = http_create(&link->http, options->loop, &http_options);

	*out = NULL;
	if (err != OK) {
		free(link);
		return fault_set(fault, err, "cannot initialize libcurl");
	}
	link->options = *options;
	link->config = config_ref(config);
	link->events = *events;
	link->homeserver = x_strdup(config->matrix.homeserver);
	link->joined = json_object();
	link->vault = vault_create(options->loop, options->writer, config, &vault_events);
	cipher = (struct courier_cipher){
	        vault_cipher(link->vault), link_members_for, link_on_waits, link_on_leaves, link};
	courier_set_cipher(options->courier, &cipher);
	uv_timer_init(options->loop, &link->timer);
	link->timer.data = link;
	link_problem_set(link, "not connected yet");
	identity_read_stored(link);
	link_discover(link);
	*out = link;
	return OK;
}

void link_configure(struct link *link, struct config *config)
{
	config_replace(&link->config, config);
	if (link->rooms) {
		rooms_configure(link->rooms, config);
		link_store_settled(link);
	}
	for (size_t i = 0; link->members && i < rooms_len(link->rooms); i++)
		if (rooms_at(link->rooms, i)->ready)
			link_follow(link, rooms_at(link->rooms, i));
	vault_configure(link->vault, config);
	if (link->timeline)
		timeline_configure(link->timeline, config);
	if (link->auth)
		auth_configure(link->auth, config);
	if (link->online)
		courier_poke(link->options.courier);
}

const json_t *link_joined(const struct link *link, const char *room_id)
{
	return room_id ? json_object_get(link->joined, room_id) : NULL;
}

const char *link_homeserver(const struct link *link)
{
	return link->homeserver;
}

void link_try_now(struct link *link)
{
	if (link->sync && link->online && link->problem[0])
		sync_wake(link->sync);
}

const char *link_problem(const struct link *link)
{
	return link->problem;
}

int64_t link_last_sync_ms(const struct link *link)
{
	return link->sync ? sync_last_ms(link->sync) : 0;
}

int64_t link_skew_ms(const struct link *link)
{
	return link->http ? http_skew_ms(link->http) : 0;
}

struct mx *link_mx(const struct link *link)
{
	return link->online && !link->closing ? link->mx : NULL;
}

struct vault *link_vault(const struct link *link)
{
	return link->vault;
}

const struct rooms *link_rooms(const struct link *link)
{
	return link->rooms;
}

static void link_on_timer_closed(uv_handle_t *handle)
{
	struct link *link = handle->data;
	void (*closed)(void *arg) = link->closed;
	void *arg = link->closed_arg;

	mx_destroy(link->mx);
	config_unref(link->config);
	identity_free(link->identity);
	identity_free(link->stored);
	free(link->homeserver);
	free(link->since);
	free(link->settled);
	free(link->answer.next_batch);
	json_decref(link->answer.body);
	json_decref(link->joined);
	free(link);
	closed(arg);
}

static void link_on_http_closed(void *arg)
{
	struct link *link = arg;

	link->http = NULL;
	link_closing(link);
}

static void link_on_auth_closed(void *arg)
{
	struct link *link = arg;

	link->auth = NULL;
	http_close(link->http, link_on_http_closed, link);
}

static void link_on_vault_closed(void *arg)
{
	struct link *link = arg;

	link->vault = NULL;
	if (link->auth)
		auth_close(link->auth, link_on_auth_closed, link);
	else
		link_on_auth_closed(link);
}

static void link_on_rooms_closed(void *arg)
{
	struct link *link = arg;

	link->rooms = NULL;
	link_closing(link);
}

static void link_on_members_closed(void *arg)
{
	struct link *link = arg;

	link->members = NULL;
	vault_set_offline(link->vault); /* a look may end later, without the rooms */
	rooms_close(link->rooms, link_on_rooms_closed, link);
}

static void link_on_timeline_closed(void *arg)
{
	struct link *link = arg;

	link->timeline = NULL;
	if (link->members)
		members_close(link->members, link_on_members_closed, link);
	else
		link_on_rooms_closed(link);
}

static void link_on_sync_closed(void *arg)
{
	struct link *link = arg;

	link->sync = NULL;
	if (link->timeline)
		timeline_close(link->timeline, link_on_timeline_closed, link);
	else
		link_on_timeline_closed(link);
}

/* Continues closing once no job is in progress: closes the vault and, when HTTP is closed too,
 * frees the link. */
static void link_closing(struct link *link)
{
	if (link->jobs > 0)
		return;
	if (link->vault && !link->rooms && !link->sync && !link->vault_closing) {
		link->vault_closing = true;
		vault_close(link->vault, link_on_vault_closed, link);
	} else if (!link->http && !uv_is_closing((uv_handle_t *)&link->timer)) {
		uv_close((uv_handle_t *)&link->timer, link_on_timer_closed);
	}
}

void link_close(struct link *link, void (*closed)(void *arg), void *arg)
{
	assert(!link->closing);
	link->closing = true;
	link->closed = closed;
	link->closed_arg = arg;
	uv_timer_stop(&link->timer);
	if (link->sync)
		sync_close(link->sync, link_on_sync_closed, link);
	else
		link_on_sync_closed(link);
}

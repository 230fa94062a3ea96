/*
 * second.c - see second.h.
 *
 * second_step() finds the first thing that is missing - the base URL, the token, the room, whether
 * it is encrypted - and requests it; when nothing is missing, it sends the first alarm. A failure
 * discards what it makes doubtful, so that the next try requests that again.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include "bot/base/alloc.h"
#include "bot/base/buf.h"
#include "bot/base/clock.h"
#include "bot/base/log.h"
#include "bot/base/text.h"
#include "bot/config/secret.h"
#include "bot/matrix/backoff.h"
#include "bot/matrix/client.h"
#include "bot/matrix/discovery.h"
#include "bot/matrix/rooms.h"
#include "bot/meta/second.h"

#define WAITING_MAX 16
#define TEXT_POINTS 4000
#define KEEP_TRYING_MS CLOCK_HOUR_MS
#define REQUEST_TIMEOUT_MS 30000
#define JOIN_TIMEOUT_MS 60000 /* joining over federation takes long */

struct alarm {
	STAILQ_ENTRY(alarm) link; /* second::queue */
	char *text, *txn_id;
	int64_t until_ms; /* monotonic */
};

struct second {
	uv_loop_t *loop;
	struct http *http;
	struct config *config;
	STAILQ_HEAD(, alarm) queue;
	unsigned waiting; /* in the queue */

	struct mx *mx;        /* NULL until the homeserver is found */
	char *room_id;        /* NULL until joined */
	bool plain;           /* the room is not encrypted */
	bool stale;           /* the config changed: start over */
	unsigned tries;       /* failures in a row */
	char problem[256];    /* logged last */
	uv_timer_t timer;     /* next try */
	struct mx_call *call; /* in flight, or NULL */
	bool discovering;

	uv_work_t work;
	bool reading; /* the pool uses the members below */
	struct config *work_config;
	char *token;
	struct fault fault;

	bool closing, timer_closed;
	void (*closed)(void *arg);
	void *closed_arg;
};

static void second_step(struct second *second);

/* --- what is known ------------------------------------------------------------------------ */

static void forget_room(struct second *second)
{
	free(second->room_id);
	second->room_id = NULL;
	second->plain = false;
}

static void second_forget(struct second *second)
{
	assert(!second->call);
	mx_destroy(second->mx);
	second->mx = NULL;
	second->stale = false;
	forget_room(second);
}

static bool is_busy(const struct second *second)
{
	return second->call || second->discovering || second->reading ||
	       uv_is_active((const uv_handle_t *)&second->timer);
}

/* The room's alias or id; NULL when none is configured. */
static const char *room_address(const struct config *config)
{
	const char *name = config->meta.room ? config->meta.room : config->heartbeat.room;
	const struct config_room *room = name ? config_room(config, name) : NULL;

	return config->meta.second_room ? config->meta.second_room : room ? room->address : NULL;
}

/* --- the queue ---------------------------------------------------------------------------- */

static void alarm_drop(struct second *second)
{
	struct alarm *alarm = STAILQ_FIRST(&second->queue);

	STAILQ_REMOVE_HEAD(&second->queue, link);
	second->waiting--;
	free(alarm->text);
	free(alarm->txn_id);
	free(alarm);
}

static void drop_old(struct second *second)
{
	int64_t now_ms = clock_monotonic_ms();
	struct alarm *first;

	while ((first = STAILQ_FIRST(&second->queue)) && first->until_ms <= now_ms) {
		log_error("meta", "second account: giving up after %d minutes: %s",
		        (int)(KEEP_TRYING_MS / CLOCK_MINUTE_MS), second->problem);
		alarm_drop(second);
	}
}

/* --- failures ----------------------------------------------------------------------------- */

static void second_on_timer(uv_timer_t *timer)
{
	second_step(timer->data);
}

/* Tries again later; the same problem is logged once. */
static void second_wait_and_retry(
        struct second *second, int64_t server_ms, const char *what, const char *why)
{
	char problem[sizeof(second->problem)];

	snprintf(problem, sizeof(problem), "%s: %.180s", what, why);
	if (strcmp(problem, second->problem) != 0)
		log_error("meta", "second account: %s", problem);
	memcpy(second->problem, problem, sizeof(problem));
	second->tries++;
	uv_timer_start(&second->timer, second_on_timer,
	        (uint64_t)backoff_ms(second->tries, server_ms, arc4random()), 0);
}

static void second_failed(struct second *second, const struct mx_answer *answer, const char *what)
{
	switch (answer->code) {
	case ERR_AUTH: /* the configured command may return another token */
		mx_set_token(second->mx, NULL);
		break;
	case ERR_NET:
	case ERR_TIMEOUT: /* the homeserver may have moved */
		second_forget(second);
		break;
	case ERR_DENIED:
	case ERR_NOT_FOUND:
		forget_room(second);
		break;
	default:
		break;
	}
	second_wait_and_retry(second, answer->retry_after_ms, what, answer->error);
}

/* --- closing ------------------------------------------------------------------------------ */

/* True when closing; then it may be freed. */
static bool second_is_closing(struct second *second)
{
	void (*closed)(void *arg) = second->closed;
	void *arg = second->closed_arg;

	if (!second->closing)
		return false;
	if (!second->timer_closed || second->call || second->discovering || second->reading)
		return true;
	second_forget(second);
	config_unref(second->config);
	free(second);
	closed(arg);
	return true;
}

/* Call first in each callback. True: do nothing more, since it is closing and may be freed. */
static bool call_ended(struct second *second)
{
	second->call = NULL;
	return second_is_closing(second);
}

/* --- the steps ---------------------------------------------------------------------------- */

static void second_on_discovered(const char *url, const struct fault *fault, void *arg)
{
	struct second *second = arg;

	second->discovering = false;
	if (second_is_closing(second))
		return;
	if (!url) {
		second_wait_and_retry(second, -1, "cannot find the homeserver", fault->text);
		return;
	}
	second->mx = mx_create(second->http, url, NULL);
	second_step(second);
}

static void second_on_pool(uv_work_t *work)
{
	struct second *second = work->data;

	secret_read(&second->work_config->meta.token, "meta_token", &second->token, &second->fault);
}

static void second_on_read(uv_work_t *work, int status)
{
	struct second *second = work->data;
	char *token = second->token;

	second->reading = false;
	second->token = NULL;
	config_unref(second->work_config);
	second->work_config = NULL;
	if (!second->closing) {
		if (!token)
			second_wait_and_retry(
			        second, -1, "cannot read its access token", second->fault.text);
		else if (mx_set_token(second->mx, token) != OK)
			second_wait_and_retry(second, -1, "cannot use its access token",
			        "spaces or odd characters in it");
		else
			second_step(second);
	}
	x_wipe_free_str(token);
	second_is_closing(second);
}

static void second_read_token(struct second *second)
{
	second->reading = true;
	second->work_config = config_ref(second->config);
	second->fault = (struct fault){0};
	uv_queue_work(second->loop, &second->work, second_on_pool, second_on_read);
}

static void on_join(const struct mx_answer *answer, void *arg)
{
	struct second *second = arg;
	const char *room_id = json_string_value(json_object_get(answer->body, "room_id"));

	if (call_ended(second))
		return;
	if (answer->code != OK) {
		second_failed(second, answer, "cannot join its room");
	} else if (!rooms_is_id(room_id)) {
		second_wait_and_retry(
		        second, -1, "cannot join its room", "the answer names no room");
	} else {
		second->room_id = x_strdup(room_id);
		second_step(second);
	}
}

static void second_join(struct second *second)
{
	const char *address = room_address(second->config);
	char *via = (char *)rooms_server_of(address);
	char *own = (char *)rooms_server_of(second->config->meta.user);
	char *path = rooms_join_path(address, (char *const[]){via ? via : own, own, NULL}, 2);

	second->call = mx_start(second->mx, "POST", path, NULL, JOIN_TIMEOUT_MS, on_join, second);
	free(path);
}

static void on_encryption(const struct mx_answer *answer, void *arg)
{
	struct second *second = arg;

	if (call_ended(second))
		return;
	if (answer->code == OK) {
		log_error("meta",
		        "second account: %s is encrypted, and this channel has no keys: set [meta] "
		        "second_room to a room that is not",
		        room_address(second->config));
		alarm_drop(second);
		second_step(second);
	} else if (answer->code == ERR_NOT_FOUND) {
		second->plain = true;
		second_step(second);
	} else {
		second_failed(second, answer, "cannot find out whether its room is encrypted");
	}
}

static void ask_encryption(struct second *second)
{
	char *path = mx_path("/v3/rooms/%s/state/m.room.encryption/", second->room_id);

	second->call =
	        mx_start(second->mx, "GET", path, NULL, REQUEST_TIMEOUT_MS, on_encryption, second);
	free(path);
}

static void second_on_sent(const struct mx_answer *answer, void *arg)
{
	struct second *second = arg;

	if (call_ended(second))
		return;
	second->plain = false; /* checked before each message */
	if (answer->code != OK) {
		second_failed(second, answer, "cannot send the report");
		return;
	}
	log_info("meta", "second account: sent to %s", second->room_id);
	second->tries = 0;
	second->problem[0] = '\0';
	alarm_drop(second);
	second_step(second);
}

static void send_alarm(struct second *second)
{
	const struct alarm *alarm = STAILQ_FIRST(&second->queue);
	char *path = mx_path("/v3/rooms/%s/send/m.room.message/%s", second->room_id, alarm->txn_id);
	json_t *content = json_pack(
	        "{s:s, s:s, s:{}}", "msgtype", "m.text", "body", alarm->text, "m.mentions");

	second->call = mx_start(
	        second->mx, "PUT", path, content, REQUEST_TIMEOUT_MS, second_on_sent, second);
	json_decref(content);
	free(path);
}

static void second_step(struct second *second)
{
	drop_old(second);
	if (second->stale || STAILQ_EMPTY(&second->queue))
		second_forget(second);
	if (STAILQ_EMPTY(&second->queue)) {
		second->tries = 0;
		second->problem[0] = '\0';
	} else if (!second->config->meta.homeserver || !room_address(second->config)) {
		while (!STAILQ_EMPTY(&second->queue)) /* removed by a reload */
			alarm_drop(second);
	} else if (!second->mx) {
		second->discovering = true;
		discovery_start(second->http, second->config->meta.homeserver, second_on_discovered,
		        second);
	} else if (!mx_has_token(second->mx)) {
		second_read_token(second);
	} else if (!second->room_id) {
		second_join(second);
	} else if (!second->plain) {
		ask_encryption(second);
	} else {
		send_alarm(second);
	}
}

/* --- creation and closing ----------------------------------------------------------------- */

struct second *second_create(uv_loop_t *loop, struct http *http, struct config *config)
{
	struct second *second = x_calloc(1, sizeof(*second));

	second->loop = loop;
	second->http = http;
	second->config = config_ref(config);
	second->work.data = second;
	STAILQ_INIT(&second->queue);
	uv_timer_init(loop, &second->timer);
	second->timer.data = second;
	return second;
}

void second_configure(struct second *second, struct config *config)
{
	config_replace(&second->config, config);
	second->stale = true;
}

void second_tell(struct second *second, const char *text)
{
	struct alarm *alarm;
	struct buf plain;
	uint64_t random[2];

	assert(!second->closing);
	if (!second->config->meta.homeserver || !room_address(second->config))
		return;
	if (second->waiting >= WAITING_MAX) {
		log_error("meta",
		        "second account: %d reports are waiting already; dropped this one",
		        WAITING_MAX);
		return;
	}
	arc4random_buf(random, sizeof(random));
	buf_init(&plain, 4 * TEXT_POINTS + 16);
	text_add_plain(&plain, text, TEXT_POINTS, TEXT_KEEP_NEWLINES);
	alarm = x_calloc(1, sizeof(*alarm));
	alarm->text = buf_take(&plain);
	alarm->txn_id = x_asprintf("meta-%016llx%016llx", (unsigned long long)random[0],
	        (unsigned long long)random[1]);
	alarm->until_ms = clock_monotonic_ms() + KEEP_TRYING_MS;
	STAILQ_INSERT_TAIL(&second->queue, alarm, link);
	second->waiting++;
	if (!is_busy(second))
		second_step(second);
}

static void second_on_timer_closed(uv_handle_t *handle)
{
	struct second *second = handle->data;

	second->timer_closed = true;
	second_is_closing(second);
}

void second_close(struct second *second, void (*closed)(void *arg), void *arg)
{
	assert(!second->closing);
	second->closing = true;
	second->closed = closed;
	second->closed_arg = arg;
	if (second->waiting > 0)
		log_warning("meta", "second account: %u reports were not sent before the stop",
		        second->waiting);
	while (!STAILQ_EMPTY(&second->queue))
		alarm_drop(second);
	if (second->call)
		mx_cancel(second->call);
	if (second->reading)
		uv_cancel((uv_req_t *)&second->work); /* fails harmlessly once the work has begun */
	uv_close((uv_handle_t *)&second->timer, second_on_timer_closed);
}

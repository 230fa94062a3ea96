/*
 * publisher.c - see publisher.h. A pass goes through the rows by their ids; what failed for now is
 * left for the next pass, which the timer begins.
 */
#include "bot/charts/publisher.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/log.h"
#include "bot/charts/draw.h"
#include "bot/crypto/attachment.h"
#include "bot/matrix/backoff.h"
#include "handlers/charts/chart_post.h"

#define FIRST_MS CLOCK_SECOND_MS /* what is left of an earlier process */
#define AGAIN_MS CLOCK_SECOND_MS
#define UPLOAD_TIMEOUT_MS 60000
#define MXC_MAX 512 /* bytes of an address */

/* One chart on its way. */
struct publication {
	struct publisher *publisher;
	struct config *config; /* referenced */
	struct chart_row row;
	char *room_id; /* NULL: not known yet */
	bool encrypted;
	uv_work_t work;
	struct figures figures;
	bool figures_read;
	struct drawing drawing;
	json_t *file; /* of an encrypted one */
	enum err code;
	struct fault fault;
	char *mxc;
	bool again; /* the room has become encrypted */
};

struct publisher {
	struct publisher_env env;
	struct config *config;
	uv_timer_t timer;
	struct publication *now; /* under way, or NULL */
	bool looking;            /* or a row is being read */
	bool wanted;             /* poked meanwhile */
	struct mx_call *call;
	int64_t after_id; /* the pass is so far */
	int64_t wait_ms;  /* until the next pass, for what failed in this one; 0 = nothing did */
	unsigned failures;
	bool closing, timer_closed;
	void (*closed)(void *arg);
	void *closed_arg;
};

static void publisher_look(struct publisher *publisher);

/* --- one chart ---------------------------------------------------------------------------- */

static void publication_free(struct publication *p)
{
	chart_row_finish(&p->row);
	figures_finish(&p->figures);
	drawing_finish(&p->drawing);
	json_decref(p->file);
	config_unref(p->config);
	free(p->room_id);
	free(p->mxc);
	free(p);
}

static void publisher_maybe_closed(struct publisher *publisher)
{
	void (*closed)(void *arg) = publisher->closed;
	void *arg = publisher->closed_arg;

	if (!publisher->timer_closed || publisher->now || publisher->looking)
		return;
	config_unref(publisher->config);
	free(publisher);
	closed(arg);
}

/* It is in the queue, or left for the next pass: on to the next. */
static void publication_end(struct publication *p)
{
	struct publisher *publisher = p->publisher;

	publisher->now = NULL;
	publication_free(p);
	if (publisher->closing)
		publisher_maybe_closed(publisher);
	else
		publisher_look(publisher);
}

static void publication_wait(struct publication *p, int64_t wait_ms)
{
	struct publisher *publisher = p->publisher;

	publisher->failures++;
	if (publisher->wait_ms == 0 || wait_ms < publisher->wait_ms)
		publisher->wait_ms = wait_ms;
	log_seldom(LOG_WARNING, "charts", p->row.room,
	        "%s: no chart for now (%s), retrying in %lld ms", p->row.room, p->fault.text,
	        (long long)wait_ms);
	publication_end(p);
}

static enum err publication_post(struct store *store, void *arg)
{
	struct publication *p = arg;
	struct deliver d = {.store = store, .config = p->config, .now_ms = clock_now_ms()};
	struct chart_result result = {
	        .figures = p->figures_read ? &p->figures : NULL,
	        .room_id = p->room_id,
	        .code = p->code,
	        .error = p->fault.text,
	        .mxc = p->mxc,
	        .file = p->file,
	        .width = p->drawing.width,
	        .height = p->drawing.height,
	        .size = p->drawing.png.len,
	};

	return chart_post(&d, &p->row, &result, &p->again);
}

static void publication_posted(enum err result, const char *message, void *arg)
{
	struct publication *p = arg;
	struct publisher *publisher = p->publisher;

	if (result != OK && !publisher->closing) {
		fault_set(&p->fault, result, "%s", message);
		publication_wait(p, AGAIN_MS);
		return;
	}
	if (p->again && !publisher->closing) {
		fault_set(&p->fault, ERR_BUSY, "the room has become encrypted");
		publication_wait(p, AGAIN_MS);
		return;
	}
	if (!publisher->closing)
		courier_poke(publisher->env.courier);
	publication_end(p);
}

/* Whatever became of it goes into the queue now, unless it may still become a picture. */
static void publication_settle(struct publication *p, int64_t server_ms)
{
	struct publisher *publisher = p->publisher;
	int64_t wait_ms = backoff_ms(publisher->failures + 1, server_ms, arc4random());

	if (publisher->closing) {
		publication_end(p);
	} else if (p->code != OK && chart_retry(&p->row, p->code, clock_now_ms(), wait_ms)) {
		publication_wait(p, wait_ms);
	} else {
		if (p->code != OK)
			log_warning("charts", "%s: sending the chart as text: %s", p->row.room,
			        p->fault.text);
		else
			publisher->failures = 0;
		writer_submit(publisher->env.writer, publication_post, publication_posted, p);
	}
}

/* --- the upload --------------------------------------------------------------------------- */

static void publication_uploaded(const struct mx_answer *answer, void *arg)
{
	struct publication *p = arg;
	const char *mxc = json_string_value(json_object_get(answer->body, "content_uri"));

	p->publisher->call = NULL;
	p->code = fault_set(&p->fault, answer->code, "%s", answer->error);
	if (answer->code == OK && mxc && strncmp(mxc, "mxc://", 6) == 0 && strlen(mxc) <= MXC_MAX)
		p->mxc = x_strdup(mxc);
	else if (answer->code == OK)
		p->code = fault_set(&p->fault, ERR_PROTO, "the answer has no address");
	publication_settle(p, answer->retry_after_ms);
}

static void publication_upload(struct publication *p)
{
	struct publisher *publisher = p->publisher;
	struct mx *mx = publisher->env.mx(publisher->env.arg);

	if (!mx || !p->room_id) {
		p->code = fault_set(
		        &p->fault, ERR_NET, "%s", mx ? "the room is not joined" : "not connected");
		publication_settle(p, -1);
		return;
	}
	publisher->call = mx_upload(mx, p->file ? "application/octet-stream" : "image/png",
	        p->drawing.png.data, p->drawing.png.len, UPLOAD_TIMEOUT_MS, publication_uploaded,
	        p);
}

/* --- the picture -------------------------------------------------------------------------- */

static enum err publication_read(struct publication *p)
{
	struct store *store;
	enum err err = store_open_readonly(&store, p->config->storage.database, &p->fault);

	if (err != OK)
		return err;
	err = figures_collect(
	        store, (enum chart_span)p->row.span, p->row.until_ms, p->row.app, &p->figures);
	if (err != OK)
		fault_set(&p->fault, err, "%s", store_message(store));
	store_close(store);
	return err;
}

/* On the pool. */
static void publication_draw(uv_work_t *work)
{
	struct publication *p = work->data;

	p->code = publication_read(p);
	p->figures_read = p->code == OK;
	if (p->code != OK || figures_sum(p->figures.totals) == 0)
		return;
	p->code = draw_chart(&p->figures, &p->drawing, &p->fault);
	if (p->code == OK && p->encrypted)
		p->file = attachment_encrypt(p->drawing.png.data, p->drawing.png.len);
}

static void publication_drawn(uv_work_t *work, int status)
{
	struct publication *p = work->data;

	if (p->code == OK && p->drawing.png.len > 0 && !p->publisher->closing)
		publication_upload(p);
	else
		publication_settle(p, -1);
}

static void publication_start(struct publication *p)
{
	struct publisher *publisher = p->publisher;
	const struct rooms *rooms = publisher->env.rooms(publisher->env.arg);
	const struct room *room = rooms ? rooms_get(rooms, p->row.room) : NULL;

	p->room_id = room && room->ready ? x_strdup(room->room_id) : NULL;
	p->encrypted = room && room->encrypted;
	p->work.data = p;
	uv_queue_work(publisher->env.loop, &p->work, publication_draw, publication_drawn);
}

/* --- the next ----------------------------------------------------------------------------- */

static void publisher_on_timer(uv_timer_t *timer)
{
	struct publisher *publisher = timer->data;

	publisher->after_id = 0;
	publisher_look(publisher);
}

static enum err publisher_next(struct store *store, void *arg)
{
	struct publication *p = arg;

	p->code = charts_next(store, p->publisher->after_id, &p->row);
	return p->code == ERR_NOT_FOUND ? OK : p->code;
}

static void publisher_found(enum err result, const char *message, void *arg)
{
	struct publication *p = arg;
	struct publisher *publisher = p->publisher;
	bool found = result == OK && p->code == OK;

	publisher->looking = false;
	if (result != OK) {
		log_seldom(
		        LOG_ERROR, "charts", "", "cannot read which charts to draw: %s", message);
		publisher->wait_ms = AGAIN_MS;
	}
	if (found && !publisher->closing) {
		publisher->after_id = p->row.id;
		publisher->now = p;
		publication_start(p);
		return;
	}
	publication_free(p);
	if (publisher->closing) {
		publisher_maybe_closed(publisher);
		return;
	}
	if (publisher->wait_ms > 0)
		uv_timer_start(
		        &publisher->timer, publisher_on_timer, (uint64_t)publisher->wait_ms, 0);
	publisher->wait_ms = 0;
	if (publisher->wanted)
		publisher_look(publisher);
}

static void publisher_look(struct publisher *publisher)
{
	struct publication *p;

	if (publisher->closing)
		return;
	publisher->wanted = publisher->looking || publisher->now;
	if (publisher->wanted)
		return;
	p = x_calloc(1, sizeof(*p));
	p->publisher = publisher;
	p->config = config_ref(publisher->config);
	publisher->looking = true;
	writer_submit(publisher->env.writer, publisher_next, publisher_found, p);
}

void publisher_poke(struct publisher *publisher)
{
	publisher_look(publisher);
}

/* --- life --------------------------------------------------------------------------------- */

struct publisher *publisher_create(const struct publisher_env *env, struct config *config)
{
	struct publisher *publisher = x_calloc(1, sizeof(*publisher));

	publisher->env = *env;
	publisher->config = config_ref(config);
	uv_timer_init(env->loop, &publisher->timer);
	publisher->timer.data = publisher;
	uv_timer_start(&publisher->timer, publisher_on_timer, FIRST_MS, 0);
	return publisher;
}

void publisher_configure(struct publisher *publisher, struct config *config)
{
	config_replace(&publisher->config, config);
}

static void publisher_on_timer_closed(uv_handle_t *handle)
{
	struct publisher *publisher = handle->data;

	publisher->timer_closed = true;
	publisher_maybe_closed(publisher);
}

void publisher_close(struct publisher *publisher, void (*closed)(void *arg), void *arg)
{
	assert(!publisher->closing);
	publisher->closing = true;
	publisher->closed = closed;
	publisher->closed_arg = arg;
	if (publisher->call)
		mx_cancel(publisher->call);
	uv_close((uv_handle_t *)&publisher->timer, publisher_on_timer_closed);
}

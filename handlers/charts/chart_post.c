/*
 * chart_post.c - see chart_post.h.
 */
#include "handlers/charts/chart_post.h"

#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/log.h"
#include "bot/base/zone.h"
#include "handlers/alerts/content.h"
#include "handlers/alerts/render.h"
#include "storage/known_rooms.h"

#define ASKED_PATIENCE_MS (5 * CLOCK_MINUTE_MS) /* then the answer is text instead */
#define WEEK_PATIENCE_MS (12 * CLOCK_HOUR_MS)
#define MONDAY 1

static const char *chart_why(enum err code)
{
	switch (code) {
	case ERR_UNSUPPORTED:
		return "the bot's host has no library to draw charts with";
	case ERR_TOO_LARGE:
		return "the homeserver accepts no file of this size";
	case ERR_DENIED:
		return "the homeserver does not let the bot upload files";
	case ERR_LIMITED:
		return "the homeserver limits uploads for now";
	case ERR_HELD:
		return "the homeserver accepts nothing from this account for now";
	case ERR_NET:
	case ERR_TIMEOUT:
	case ERR_SERVER:
	case ERR_AUTH:
		return "the homeserver could not be reached";
	default:
		return "it could not be made or uploaded";
	}
}

bool chart_retry(const struct chart_row *row, enum err code, int64_t now_ms, int64_t wait_ms)
{
	int64_t patience_ms = row->root ? ASKED_PATIENCE_MS : WEEK_PATIENCE_MS;

	switch (code) {
	case ERR_NET:
	case ERR_TIMEOUT:
	case ERR_SERVER:
	case ERR_PROTO:
	case ERR_AUTH:
	case ERR_LIMITED:
	case ERR_HELD:
	case ERR_BUSY:
		return now_ms + wait_ms <= row->created_ms + patience_ms &&
		       now_ms >= row->created_ms - patience_ms;
	default:
		return false;
	}
}

static json_t *chart_words(const struct chart_row *row, const struct chart_result *result)
{
	struct words text;
	json_t *content;

	words_init(&text);
	if (result->figures)
		figures_say(result->figures, &text);
	if (result->code != OK) {
		words_break(&text);
		words_say(&text, "No picture: %s", chart_why(result->code));
		if (result->error && result->error[0]) {
			words_say(&text, " · ");
			words_code(&text, result->error, WORDS_ERROR_POINTS);
		}
	}
	words_fit(&text, RENDER_EVENT_MAX, false);
	content = words_content(&text, "m.notice");
	words_finish(&text);
	return content;
}

/* The text is the picture's caption, which clients show below it and read out. */
static json_t *chart_picture(const struct chart_row *row, const struct chart_result *result)
{
	struct words text;
	json_t *content;

	words_init(&text);
	figures_say(result->figures, &text);
	words_fit(&text, RENDER_EVENT_MAX, false);
	content = words_content(&text, "m.image");
	words_finish(&text);
	json_object_set_new(
	        content, "filename", json_sprintf("alerts-%s.png", chart_span_names[row->span]));
	json_object_set_new(content, "info",
	        json_pack("{s:s, s:i, s:i, s:I}", "mimetype", "image/png", "w", result->width, "h",
	                result->height, "size", (json_int_t)result->size));
	if (result->file) {
		json_t *file = json_deep_copy(result->file);

		json_object_set_new(file, "url", json_string(result->mxc));
		json_object_set_new(content, "file", file);
	} else {
		json_object_set_new(content, "url", json_string(result->mxc));
	}
	return content;
}

static enum err chart_is_encrypted(struct store *store, const char *room_id, bool *encrypted)
{
	struct room_row room = {0};
	enum err err = room_id ? rooms_by_room_id(store, room_id, &room) : ERR_NOT_FOUND;

	*encrypted = err == OK && room.encrypted;
	room_row_finish(&room);
	return err == ERR_NOT_FOUND ? OK : err;
}

/* A weekly chart that nobody requested is not posted if it would be empty. */
static bool chart_is_idle(const struct chart_row *row, const struct chart_result *result)
{
	return !row->root && (!result->figures || figures_sum(result->figures->totals) == 0 ||
	                             result->code == ERR_UNSUPPORTED);
}

enum err chart_post(const struct deliver *d, const struct chart_row *row,
        const struct chart_result *result, bool *again)
{
	bool picture = result->code == OK && result->mxc, encrypted = false;
	json_t *content;
	enum err err = picture ? chart_is_encrypted(d->store, result->room_id, &encrypted) : OK;

	*again = encrypted && !result->file;
	if (err != OK || *again)
		return err;
	err = charts_delete(d->store, row->id);
	if (err != OK || chart_is_idle(row, result))
		return err;
	content = picture ? chart_picture(row, result) : chart_words(row, result);
	if (result->figures)
		json_object_set_new(content, RENDER_KEY,
		        json_pack("{s:o}", "chart", figures_json(result->figures)));
	if (row->root)
		content_answer(content, d->config->commands.answers, row->root, row->reply_to);
	err = deliver_post(d, row->room, OUTBOX_NOTE, 0, "m.room.message", content, NULL);
	json_decref(content);
	return err;
}

enum err chart_ask(struct store *store, struct chart_row *row, json_t *happened)
{
	enum err err = charts_insert(store, row);

	if (err == OK && happened)
		json_array_append_new(happened,
		        json_pack("{s:s, s:s, s:s, s:s*}", "event", "chart", "room", row->room,
		                "span", chart_span_names[row->span], "app", row->app));
	return err;
}

enum err chart_of_week(const struct deliver *d, int64_t heartbeat_ms, json_t *happened)
{
	struct chart_row row = {
	        .span = CHART_WEEK,
	        .created_ms = d->now_ms,
	        .room = d->config->heartbeat.room,
	};
	struct zone_time local, midnight;

	zone_local(heartbeat_ms, &local);
	if (local.weekday != MONDAY || !d->config->heartbeat.chart)
		return OK;
	zone_civil(local.year, local.month, local.day, 0, 0, &midnight);
	row.until_ms = zone_first_ms(&midnight);
	return chart_ask(d->store, &row, happened);
}

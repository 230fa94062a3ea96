/*
 * digest.c - see digest.h.
 */
#include <inttypes.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/text.h"
#include "handlers/heartbeats/app_heartbeat.h"
#include "handlers/heartbeats/digest.h"
#include "handlers/silences/silence.h"
#include "handlers/oncall/oncall.h"
#include "storage/calls.h"
#include "storage/heartbeats.h"
#include "storage/messages.h"
#include "storage/silences.h"

#define UNACKED_SINCE_MS (7 * CLOCK_DAY_MS)
#define UNACKED_MAX 100

static char *name_of(const char *app, const char *what)
{
	struct buf text;

	buf_init(&text, 4096);
	text_add_plain(&text, app, 64, TEXT_FOLD_NEWLINES);
	if (what[0]) {
		buf_add_str(&text, " · ");
		text_add_plain(&text, what, 60, TEXT_FOLD_NEWLINES);
	}
	return buf_take(&text);
}

static char *newest_run(const struct entry_row *entry)
{
	json_t *runs = json_loads(entry->run_ids, 0, NULL);
	const char *run = json_string_value(json_array_get(runs, json_array_size(runs) - 1));
	char *copy = x_strdup_opt(run);

	json_decref(runs);
	return copy;
}

static enum err collect_unacked(const struct deliver *d, struct digest *out)
{
	struct entry_row *rows = NULL;
	size_t len = 0;
	enum err err =
	        entries_unacked(d->store, d->now_ms - UNACKED_SINCE_MS, UNACKED_MAX, &rows, &len);

	out->unacked = (int64_t)len;
	for (size_t i = 0; i < len; i++)
		if (i < DIGEST_NAMES_MAX) {
			out->unacked_names[i] = name_of(rows[i].app, rows[i].identity);
			out->unacked_runs[i] = newest_run(&rows[i]);
		}
	entry_rows_free(rows, len);
	return err;
}

static enum err collect_silences(const struct deliver *d, struct digest *out)
{
	struct silence_row *rows = NULL;
	size_t len = 0;
	enum err err = silences_active(d->store, &rows, &len);

	for (size_t i = 0; i < len; i++)
		out->silences += silence_holds(&rows[i], d->now_ms);
	silence_rows_free(rows, len);
	return err;
}

static enum err collect_missed(const struct deliver *d, struct digest *out)
{
	struct app_heartbeat_row *rows = NULL;
	size_t len = 0;
	enum err err = app_heartbeats_list(d->store, APP_HEARTBEATS_MAX, &rows, &len);

	for (size_t i = 0; i < len; i++) {
		if (!rows[i].missed_ms)
			continue;
		if (out->missed < DIGEST_NAMES_MAX)
			out->missed_names[out->missed] = name_of(rows[i].app, rows[i].name);
		out->missed++;
	}
	app_heartbeat_rows_free(rows, len);
	return err;
}

static enum err collect_oncall(const struct deliver *d, struct digest *out)
{
	enum err err = OK;

	out->oncalls = x_calloc(d->config->oncalls_len + 1, sizeof(*out->oncalls));
	for (size_t i = 0; i < d->config->oncalls_len && err == OK; i++) {
		err = oncall_turn(d, &d->config->oncalls[i], &out->oncalls[i]);
		out->oncalls_len += err == OK;
	}
	return err;
}

enum err digest_collect(
        const struct deliver *d, const struct report_status *status, struct digest *out)
{
	int64_t since_ms = d->now_ms - CLOCK_DAY_MS, oldest_ms;
	enum err err;

	memset(out, 0, sizeof(*out));
	out->uptime_ms = d->now_ms > status->started_ms ? d->now_ms - status->started_ms : 0;
	out->version = status->version;
	out->own_user = d->config->matrix.user;
	out->spool_bad = status->spool_bad;
	out->apps_len = DIGEST_APPS_MAX;
	err = alerts_by_app(d->store, since_ms, out->apps, &out->apps_len, &out->apps_total);
	if (err == OK)
		err = alerts_count_since(d->store, since_ms, out->counts);
	if (err == OK)
		err = alerts_by_hour(d->store, since_ms, out->hours, DIGEST_HOURS);
	if (err == OK)
		err = outbox_counts(d->store, &out->waiting, &out->undeliverable, &oldest_ms);
	if (err == OK)
		err = calls_latency_p95(d->store, since_ms, &out->p95_ms);
	if (err == OK)
		err = calls_faults(d->store, since_ms, &out->faults);
	if (err == OK)
		err = collect_unacked(d, out);
	if (err == OK)
		err = collect_silences(d, out);
	if (err == OK)
		err = collect_oncall(d, out);
	return err == OK ? collect_missed(d, out) : err;
}

void digest_finish(struct digest *digest)
{
	for (size_t i = 0; i < digest->apps_len; i++)
		free(digest->apps[i].app);
	for (size_t i = 0; i < DIGEST_NAMES_MAX; i++) {
		free(digest->unacked_names[i]);
		free(digest->unacked_runs[i]);
		free(digest->missed_names[i]);
	}
	for (size_t i = 0; i < digest->oncalls_len; i++)
		oncall_turn_finish(&digest->oncalls[i]);
	free(digest->oncalls);
	memset(digest, 0, sizeof(*digest));
}

void digest_sparkline(const int64_t *numbers, size_t len, struct buf *out)
{
	static const char *const bars[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
	int64_t highest = 0;

	for (size_t i = 0; i < len; i++)
		highest = numbers[i] > highest ? numbers[i] : highest;
	for (size_t i = 0; i < len; i++) {
		/* a number over zero is at least one step above zero */
		int64_t bar = numbers[i] <= 0 ? 0 : 1 + (numbers[i] * 6) / highest;

		buf_add_str(out, bars[bar]);
	}
}

/* "Missed heartbeats: a, b, +3"; nothing if there are none. */
static void say_names(
        struct words *out, const char *what, char *const *names, char *const *runs, int64_t count)
{
	int64_t shown = 0;

	if (count == 0)
		return;
	words_item(out);
	words_say(out, "%s", what);
	for (; shown < DIGEST_NAMES_MAX && names[shown]; shown++) {
		words_say(out, "%s", shown ? ", " : ": ");
		words_app_what(out, names[shown]);
		if (runs && runs[shown])
			words_say(out, " ");
		words_code(out, runs ? runs[shown] : NULL, 40);
	}
	if (count > shown)
		words_say(out, ", +%" PRId64, count - shown);
}

static void say_apps(const struct digest *digest, struct words *out)
{
	if (digest->apps_len == 0)
		return;
	words_item(out);
	for (size_t i = 0; i < digest->apps_len; i++) {
		words_say(out, "%s", i ? " · " : "");
		words_name(out, digest->apps[i].app, WORDS_NAME_POINTS);
		words_say(out, " ");
		words_bold(out, true);
		words_say(out, "%" PRId64, digest->apps[i].alerts);
		words_bold(out, false);
	}
	if (digest->apps_total > (int64_t)digest->apps_len) {
		words_say(out, " · +");
		words_count(out, digest->apps_total - (int64_t)digest->apps_len, "app", "apps");
	}
}

/* "On call: op1 until Mon 30 Nov 09:00 CET, then ben" */
static void say_oncalls(const struct digest *digest, int64_t at_ms, struct words *out)
{
	for (size_t i = 0; i < digest->oncalls_len; i++) {
		const struct oncall_turn *turn = &digest->oncalls[i];

		words_item(out);
		words_say(out, "On call: ");
		words_user(out, turn->user, digest->own_user);
		if (!turn->next)
			continue;
		words_say(out, " until ");
		words_when(out, turn->until_ms, at_ms);
		words_say(out, ", then ");
		words_user(out, turn->next, digest->own_user);
	}
}

/* The state of the bot: some parts always, others only if something is wrong. */
static void digest_say_state(const struct digest *digest, struct words *out)
{
	words_say(out, "up ");
	words_duration(out, digest->uptime_ms);
	if (digest->silences) {
		words_say(out, " · ");
		words_count(out, digest->silences, "silence", "silences");
	}
	if (digest->waiting)
		words_say(out, " · %" PRId64 " in the delivery queue", digest->waiting);
	if (digest->undeliverable)
		words_say(out, " · ⚠️ %" PRId64 " undeliverable", digest->undeliverable);
	if (digest->spool_bad)
		words_say(out, " · ⚠️ %u rejected in the spool (*.bad)", digest->spool_bad);
	if (digest->faults)
		words_say(out, " · failed homeserver requests: %" PRId64, digest->faults);
	if (digest->p95_ms > 0) {
		words_say(out, " · p95 ");
		words_duration(out, digest->p95_ms);
	}
	words_say(out, " · version %s", digest->version);
}

void digest_say(const struct digest *digest, int64_t at_ms, struct words *out)
{
	struct buf bars;

	words_say(out, "💓 ");
	words_bold(out, true);
	words_say(out, "Running");
	words_bold(out, false);
	if (digest->unacked) {
		words_say(out, " · 🚨 ");
		words_bold(out, true);
		words_say(out, "%" PRId64 "%s unacknowledged", digest->unacked,
		        digest->unacked >= UNACKED_MAX ? " or more" : "");
		words_bold(out, false);
	}
	words_say(out, " · ");
	words_when(out, at_ms, 0);
	words_break(out);
	words_say(out, "Last 24 h: ");
	words_counts(out, digest->counts);
	if (digest->apps_total > 0) {
		words_say(out, " ");
		buf_init(&bars, 1024);
		digest_sparkline(digest->hours, DIGEST_HOURS, &bars);
		words_code(out, buf_str(&bars), DIGEST_HOURS);
		buf_finish(&bars);
	}
	words_list(out, WORDS_LIST_MAX, NULL);
	say_apps(digest, out);
	say_names(out, "Unacknowledged", digest->unacked_names, digest->unacked_runs,
	        digest->unacked);
	say_names(out, "Missed app heartbeats", digest->missed_names, NULL, digest->missed);
	say_oncalls(digest, at_ms, out);
	words_list_end(out);
	digest_say_state(digest, out);
}

static json_t *names_json(char *const *names, char *const *runs)
{
	json_t *list = json_array();

	for (size_t i = 0; i < DIGEST_NAMES_MAX && names[i]; i++)
		json_array_append_new(list, json_sprintf(runs && runs[i] ? "%s (%s)" : "%s",
		                                    names[i], runs ? runs[i] : NULL));
	return list;
}

json_t *digest_json(const struct digest *digest)
{
	json_t *hours = json_array(), *apps = json_object(), *oncall = json_array();

	for (size_t i = 0; i < DIGEST_HOURS; i++)
		json_array_append_new(hours, json_integer(digest->hours[i]));
	for (size_t i = 0; i < digest->apps_len; i++)
		json_object_set_new(apps, digest->apps[i].app,
		        json_pack("{s:I, s:I}", "alerts", (json_int_t)digest->apps[i].alerts,
		                "critical", (json_int_t)digest->apps[i].criticals));
	for (size_t i = 0; i < digest->oncalls_len; i++)
		json_array_append_new(oncall, json_string(digest->oncalls[i].user));
	return json_pack(
	        "{s:I, s:s, s:{s:I, s:I, s:I}, s:o, s:o, s:I, s:o, s:I, s:I, s:I, s:I, s:I, "
	        "s:I, s:o, s:o}",
	        "uptime_ms", (json_int_t)digest->uptime_ms, "version", digest->version, "alerts",
	        "critical", (json_int_t)digest->counts[SEVERITY_CRITICAL], "warning",
	        (json_int_t)digest->counts[SEVERITY_WARNING], "info",
	        (json_int_t)digest->counts[SEVERITY_INFO], "hours", hours, "apps", apps, "unacked",
	        (json_int_t)digest->unacked, "unacked_first",
	        names_json(digest->unacked_names, digest->unacked_runs), "silences",
	        (json_int_t)digest->silences, "waiting", (json_int_t)digest->waiting,
	        "undeliverable", (json_int_t)digest->undeliverable, "p95_ms",
	        (json_int_t)digest->p95_ms, "faults", (json_int_t)digest->faults, "missed",
	        (json_int_t)digest->missed, "missed_first", names_json(digest->missed_names, NULL),
	        "oncall", oncall);
}

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

#define ONCALL_MAX (8 * 1024) /* bytes */
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

/* The same with its newest run. */
static char *name_of_entry(const struct entry_row *entry)
{
	json_t *runs = json_loads(entry->run_ids, 0, NULL);
	const char *run = json_string_value(json_array_get(runs, json_array_size(runs) - 1));
	char *name = name_of(entry->app, entry->identity);
	struct buf text;

	buf_init(&text, 4096);
	buf_add_str(&text, name);
	if (run) {
		buf_add_str(&text, " (");
		text_add_plain(&text, run, 40, TEXT_FOLD_NEWLINES);
		buf_add_char(&text, ')');
	}
	free(name);
	json_decref(runs);
	return buf_take(&text);
}

static enum err collect_unacked(const struct deliver *d, struct digest *out)
{
	struct entry_row *rows = NULL;
	size_t len = 0;
	enum err err =
	        entries_unacked(d->store, d->now_ms - UNACKED_SINCE_MS, UNACKED_MAX, &rows, &len);

	out->unacked = (int64_t)len;
	for (size_t i = 0; i < len; i++)
		if (i < DIGEST_NAMES_MAX)
			out->unacked_names[i] = name_of_entry(&rows[i]);
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
	struct buf text;
	enum err err = OK;

	if (d->config->oncalls_len == 0)
		return OK;
	buf_init(&text, ONCALL_MAX);
	for (size_t i = 0; i < d->config->oncalls_len && err == OK; i++) {
		struct oncall_turn turn;
		char when[40];

		err = oncall_turn(d, &d->config->oncalls[i], &turn);
		buf_printf(&text, "%s%s", i ? "; " : "", turn.user);
		if (turn.next) {
			clock_format_short(turn.until_ms, d->now_ms, when, sizeof(when));
			buf_printf(&text, " until %s, then %s", when, turn.next);
		}
		oncall_turn_finish(&turn);
	}
	out->oncall = buf_take(&text);
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
	out->spool_bad = status->spool_bad;
	out->apps_len = DIGEST_APPS_MAX;
	err = alerts_by_app(d->store, since_ms, out->apps, &out->apps_len);
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
		free(digest->missed_names[i]);
	}
	free(digest->oncall);
	memset(digest, 0, sizeof(*digest));
}

void digest_sparkline(const int64_t *numbers, size_t len, struct buf *out)
{
	static const char *const bars[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
	int64_t highest = 0;

	for (size_t i = 0; i < len; i++)
		highest = numbers[i] > highest ? numbers[i] : highest;
	for (size_t i = 0; i < len; i++) {
		/* what is not nothing is seen: one step up at least */
		int64_t bar = numbers[i] <= 0 ? 0 : 1 + (numbers[i] * 6) / highest;

		buf_add_str(out, bars[bar]);
	}
}

/* "Missed heartbeats: a, b, +3"; nothing when there is none. */
static void say_names(struct words *out, const char *what, char *const *names, int64_t count)
{
	int64_t shown = 0;

	if (count == 0)
		return;
	words_item(out);
	words_say(out, "%s", what);
	for (; shown < DIGEST_NAMES_MAX && names[shown]; shown++) {
		words_say(out, "%s", shown ? ", " : ": ");
		words_code(out, names[shown], WORDS_WHAT_POINTS);
	}
	if (count > shown)
		words_say(out, ", +%" PRId64, count - shown);
}

/* "24 critical, 3 warning", without zeros. */
static void digest_say_counts(const struct digest *digest, struct words *out)
{
	const char *comma = "";

	for (int severity = SEVERITY_CRITICAL; severity >= SEVERITY_INFO; severity--) {
		if (digest->counts[severity] == 0)
			continue;
		words_say(out, "%s", comma);
		if (severity == SEVERITY_CRITICAL)
			words_bold(out, true);
		words_say(out, "%" PRId64, digest->counts[severity]);
		if (severity == SEVERITY_CRITICAL)
			words_bold(out, false);
		words_say(out, " %s", severity_name((enum severity)severity));
		comma = ", ";
	}
	if (*comma == '\0')
		words_say(out, "no alerts");
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
	if (digest->apps_len == DIGEST_APPS_MAX)
		words_say(out, " · more apps");
}

/* What is always said, and what is not as it should be. */
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
	if (digest->p95_ms >= 0) {
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
	digest_say_counts(digest, out);
	words_say(out, " ");
	buf_init(&bars, 1024);
	digest_sparkline(digest->hours, DIGEST_HOURS, &bars);
	words_code(out, buf_str(&bars), DIGEST_HOURS);
	buf_finish(&bars);
	words_list(out, WORDS_LIST_MAX, NULL);
	say_apps(digest, out);
	say_names(out, "Unacknowledged", digest->unacked_names, digest->unacked);
	say_names(out, "Missed app heartbeats", digest->missed_names, digest->missed);
	if (digest->oncall) {
		words_item(out);
		words_say(out, "On call: ");
		words_code(out, digest->oncall, WORDS_WHAT_POINTS);
	}
	words_list_end(out);
	digest_say_state(digest, out);
}

static json_t *names_json(char *const *names)
{
	json_t *list = json_array();

	for (size_t i = 0; i < DIGEST_NAMES_MAX && names[i]; i++)
		json_array_append_new(list, json_string(names[i]));
	return list;
}

json_t *digest_json(const struct digest *digest)
{
	json_t *hours = json_array(), *apps = json_object();

	for (size_t i = 0; i < DIGEST_HOURS; i++)
		json_array_append_new(hours, json_integer(digest->hours[i]));
	for (size_t i = 0; i < digest->apps_len; i++)
		json_object_set_new(apps, digest->apps[i].app,
		        json_pack("{s:I, s:I}", "alerts", (json_int_t)digest->apps[i].alerts,
		                "critical", (json_int_t)digest->apps[i].criticals));
	return json_pack(
	        "{s:I, s:s, s:{s:I, s:I, s:I}, s:o, s:o, s:I, s:o, s:I, s:I, s:I, s:I, s:I, "
	        "s:I, s:o, s:s*}",
	        "uptime_ms", (json_int_t)digest->uptime_ms, "version", digest->version, "alerts",
	        "critical", (json_int_t)digest->counts[SEVERITY_CRITICAL], "warning",
	        (json_int_t)digest->counts[SEVERITY_WARNING], "info",
	        (json_int_t)digest->counts[SEVERITY_INFO], "hours", hours, "apps", apps, "unacked",
	        (json_int_t)digest->unacked, "unacked_first", names_json(digest->unacked_names),
	        "silences", (json_int_t)digest->silences, "waiting", (json_int_t)digest->waiting,
	        "undeliverable", (json_int_t)digest->undeliverable, "p95_ms",
	        (json_int_t)digest->p95_ms, "faults", (json_int_t)digest->faults, "missed",
	        (json_int_t)digest->missed, "missed_first", names_json(digest->missed_names),
	        "oncall", digest->oncall);
}

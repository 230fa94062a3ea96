/*
 * watcher_check.c - `watch --check`, see watcher.h: reads nothing but the watcher's database, so
 * that it can run every minute, even when the homeserver is down.
 */
#include <jansson.h>
#include <stdio.h>
#include <sysexits.h>
#include "bot/base/clock.h"
#include "bot/base/zone.h"
#include "bot/watcher.h"
#include "handlers/heartbeats/absence_room.h"
#include "storage/undecrypted.h"

#define ALIVE_MS (3 * CLOCK_MINUTE_MS) /* a running watcher updates its timestamp every minute */
#define SIGHT_MS (3 * CLOCK_MINUTE_MS)
#define BLINK_MS CLOCK_MINUTE_MS /* the same when the watcher reports a problem */
#define REPORT_MAX (64 * 1024)
#define LINE_MAX_BYTES 1024

enum state { STATE_OK, STATE_WARNING, STATE_CRITICAL, STATE_UNKNOWN };

static const char *const names[] = {"OK", "WARNING", "CRITICAL", "UNKNOWN"};

#define FIX_START                                                                     \
	"start it: systemctl start matrix-telemetry-bot-watch; why it stopped is in " \
	"journalctl -u matrix-telemetry-bot-watch"
#define FIX_BOT                                                                               \
	"look at the bot: whether its machine runs, `systemctl status matrix-telemetry-bot` " \
	"there, and its homeserver"
#define FIX_SIGHT "run `matrix-telemetry-bot check` with the watcher's config"

static void watcher_check_say(struct buf *line, const char *before, int64_t ms, int64_t now_ms)
{
	char time[32];

	clock_format_short(ms, now_ms, time, sizeof(time));
	buf_printf(line, "%s%s", before, time);
}

/* The most severe state first: without a running watcher, all other information is outdated. *fix:
 * what a person can do, if it is not OK. */
static enum state watcher_check_judge(const struct config *config, const struct absence *absence,
        int64_t unread, int64_t now_ms, struct buf *line, const char **fix)
{
	int64_t age_ms = now_ms - absence->mark_ms;
	struct absence_rule rule;

	absence_rule(&rule, config);
	*fix = FIX_START;
	if (absence->mark_ms == 0) {
		buf_add_str(line, "no watcher has used this database yet");
		return STATE_CRITICAL;
	}
	if (age_ms > ALIVE_MS || age_ms < -ALIVE_MS) {
		watcher_check_say(line, "the watcher is not running: last seen at ",
		        absence->mark_ms, now_ms);
		return STATE_CRITICAL;
	}
	*fix = FIX_BOT;
	if (absence->alarm[0]) {
		buf_printf(line, "no heartbeat from %s for %s", config->heartbeat.sender,
		        absence->alarm);
		watcher_check_say(line, ", reported at ", absence->alarm_ms, now_ms);
		return STATE_CRITICAL;
	}
	*fix = FIX_SIGHT;
	if (absence->ok_ms == 0 || now_ms - absence->ok_ms > SIGHT_MS ||
	        (absence->problem[0] && now_ms - absence->ok_ms > BLINK_MS)) {
		if (absence->ok_ms == 0)
			buf_add_str(line, "the watcher is running, but has never read the room");
		else
			watcher_check_say(line,
			        "the watcher is running, but has not been able to read the room "
			        "since ",
			        absence->ok_ms, now_ms);
		if (absence->problem[0])
			buf_printf(line, ": %s", absence->problem);
		return STATE_WARNING;
	}
	if (unread > 0) {
		buf_printf(line, "the watcher cannot decrypt %lld messages of the last day",
		        (long long)unread);
		return STATE_WARNING;
	}
	*fix = NULL;
	if (absence->seen[0])
		watcher_check_say(line, "last heartbeat seen at ", absence->seen_ms, now_ms);
	else
		buf_add_str(line, "no heartbeat seen yet");
	watcher_check_say(line, ", next one due at ", schedule_next(&rule.daily, now_ms), now_ms);
	return STATE_OK;
}

static void watcher_check_print(enum state state, const struct absence *absence, const char *line,
        const char *fix, bool json)
{
	json_t *object;

	if (!json) {
		printf("%s: %s\n%s%s%s", names[state], line, fix ? "→ " : "", fix ? fix : "",
		        fix ? "\n" : "");
		return;
	}
	object = json_pack("{s:b, s:s, s:i, s:s, s:s*, s:s, s:s, s:I, s:I}", "ok",
	        state == STATE_OK, "state", names[state], "code", (int)state, "text", line, "fix",
	        fix, "seen", absence->seen, "missing", absence->alarm, "last_mark_ms",
	        (json_int_t)absence->mark_ms, "last_look_ms", (json_int_t)absence->ok_ms);
	json_dumpf(object, stdout, JSON_COMPACT);
	printf("\n");
	json_decref(object);
}

static enum state watcher_check_read_state(
        const struct config *config, struct absence *absence, struct buf *line, const char **fix)
{
	const char *lack = watcher_lacks(config);
	struct fault fault = {0};
	int64_t unread = 0;
	struct store *store;
	enum err err;

	if (lack) {
		buf_add_str(line, lack);
		return STATE_UNKNOWN;
	}
	zone_use(config->heartbeat.timezone);
	err = store_open_readonly(&store, config->storage.database, &fault);
	if (err == ERR_NOT_FOUND)
		return watcher_check_judge(config, absence, 0, clock_now_ms(), line, fix);
	if (err != OK) {
		buf_add_str(line, fault.text);
		return STATE_UNKNOWN;
	}
	err = absence_stored(store, absence);
	if (err == OK)
		err = undecrypted_count(store, &unread);
	if (err != OK)
		buf_printf(line, "cannot read the database: %s", store_message(store));
	store_close(store);
	return err == OK ? watcher_check_judge(config, absence, unread, clock_now_ms(), line, fix)
	                 : STATE_UNKNOWN;
}

int watcher_check(const char *config_path, bool json)
{
	struct absence absence = {0};
	struct config *config;
	struct buf report, line;
	enum state state = STATE_UNKNOWN;
	const char *fix = NULL;

	buf_init(&report, REPORT_MAX);
	buf_init(&line, LINE_MAX_BYTES);
	if (config_load(config_path, &config, &report) == OK)
		state = watcher_check_read_state(config, &absence, &line, &fix);
	else
		buf_printf(
		        &line, "bad config: run matrix-telemetry-bot -c %.200s check", config_path);
	watcher_check_print(state, &absence, buf_str(&line), fix, json);
	config_unref(config);
	buf_finish(&report);
	buf_finish(&line);
	return (int)state;
}

int watcher_check_config(const char *config_path)
{
	struct config *config = NULL;
	struct buf report;
	const char *lack = NULL;
	int result;

	buf_init(&report, REPORT_MAX);
	if (config_load(config_path, &config, &report) == OK)
		lack = watcher_lacks(config);
	fprintf(stderr, "%s%s%s", buf_str(&report), lack ? lack : "", lack ? "\n" : "");
	buf_finish(&report);
	result = config && !lack ? EX_OK : EX_CONFIG;
	config_unref(config);
	return result;
}

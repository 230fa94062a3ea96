/*
 * Every command's answer in a room, in both forms, with values that would like to be links, pills
 * and styles: tests/unit/snapshots/answers.txt.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/command_fixture.h"
#include "tests/unit/snapshot.h"

#define HOSTILE "<b>@room</b> [x](https://evil.example) #ops:x @op1:x **bold** `code`"

static const char config[] =
        "[oncall main]\nusers = @ana:x, @ben:other.example\nfrom = 2026-01-05\n"
        "rotate = weekly mon 09:00\n[quiet night]\nwhat = app=etl\nfrom = 23:00\n"
        "to = 07:00\n[app etl]\ndashboard = https://dash/{run_id}\n";

/* The newest answer since there were `before` events; a new reference, NULL: there is none. */
static json_t *answers_newest(struct world *w, size_t before)
{
	for (size_t i = w->len; i > before; i--)
		if (strcmp(w->events[i - 1].what, "note") == 0)
			return json_loads(w->events[i - 1].content, 0, NULL);
	return NULL;
}

static void answers_to(struct snapshot *snapshot, struct world *w, const char *line)
{
	static int count;
	char event_id[32];
	json_t *content;
	size_t before;

	world_send(w);
	before = w->len;
	snprintf(event_id, sizeof(event_id), "$answer%d", count++);
	say_event(w, event_id, &(struct said){.body = line});
	content = answers_newest(w, before);
	if (!content)
		fail_msg("no answer to %s", line);
	snapshot_add(snapshot, line, content);
	json_decref(content);
}

static void answers_alert(struct world *w, const char *app, const char *run, const char *title)
{
	json_t *alert = json_pack("{s:s, s:s, s:s, s:s}", "app", app, "severity", "critical",
	        "run_id", run, "title", title);
	char *text = json_dumps(alert, 0);

	world_alert(w, "%s", text);
	world_send(w);
	free(text);
	json_decref(alert);
}

static void every_answer(void **state)
{
	static const char *const before[] = {"!ack", "!unacked", "!unack", "!unack r-1", "!resolve",
	        "!resolve r-1", "!silences", "!unsilence 9", "!alerts", "!alert r-1", "!retry",
	        "!discard 7", "!status"};
	static const char *const lines[] = {"!help", "!help ack", "!help silence", "!help resolve",
	        "!help oncall", "!help nope", "!stauts", "!xyzzy " HOSTILE, "!ack", "!unacked",
	        "!ack r-1 " HOSTILE, "!ack nope", "!unack r-1", "!ack etl on it", "!ack all",
	        "!alerts", "!alerts etl 1", "!alerts nosuch", "!alert r-1", "!alert r-2",
	        "!silence", "!silence etl 2h " HOSTILE, "!silence node_id=~\"pub.*\" 30m",
	        "!silence etl forever", "!silence severity=~.* 1h", "!silence 1 extend",
	        "!silence 1 extend 1h", "!silences", "!unsilence 1", "!unsilence nosuch", "!oncall",
	        "!oncall main", "!oncall take 2h", "!oncall give @ben:other.example until 18:00",
	        "!oncall give", "!oncall sleep", "!heartbeat", "!heartbeat stop etl",
	        "!heartbeat soon", "!status", "!resolve r-2 " HOSTILE, "!alert r-2", "!resolve all",
	        "!resolve nope", "!discard"};
	struct world *w = world_create(config);
	struct snapshot snapshot;

	snapshot_init(&snapshot, "answers");
	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++)
		answers_to(&snapshot, w, before[i]);
	answers_alert(w, "etl", "r-1", "disk full");
	answers_alert(w, "etl", "r-2", HOSTILE);
	answers_alert(w, "evil.example", HOSTILE, "load / " HOSTILE);
	answers_alert(w, "billing", "b-1", "invoices");
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		answers_to(&snapshot, w, lines[i]);
	snapshot_check(&snapshot);
	world_destroy(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(every_answer)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

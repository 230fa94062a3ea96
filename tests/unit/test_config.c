/*
 * What a good config says: every key, the defaults, and what follows from others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "bot/base/clock.h"
#include "bot/config/config.h"

#define BASE                                                            \
	"[matrix]\nhomeserver = example.org\nuser = @bot:example.org\n" \
	"[rooms]\nops = #ops:example.org\ndev = #dev:example.org\n"

/* A good config, or the test fails with what was found. */
static struct config *good(const char *text)
{
	struct config *config = NULL;
	struct buf report;

	buf_init(&report, 16384);
	if (config_parse(text, "/tmp/bot.conf", &config, &report) != OK)
		fail_msg("%s", buf_str(&report));
	assert_string_equal(buf_str(&report), "");
	buf_finish(&report);
	return config;
}

static void test_defaults(void **state)
{
	struct config *c = good(BASE);

	assert_string_equal(c->path, "/tmp/bot.conf");
	assert_string_equal(c->matrix.homeserver, "example.org");
	assert_string_equal(c->matrix.user, "@bot:example.org");
	assert_null(c->matrix.token.command);
	assert_null(c->matrix.token.file);
	assert_string_equal(c->matrix.device_name, "matrix-telemetry-bot");
	assert_null(c->matrix.invite_from[0]);
	assert_null(c->matrix.proxy);
	assert_null(c->matrix.ca_file);
	assert_string_equal(c->encryption.trust, "cross-signed");
	assert_string_equal(c->route[SEVERITY_CRITICAL], "ops");
	assert_string_equal(c->route[SEVERITY_WARNING], "dev");
	assert_string_equal(c->route[SEVERITY_INFO], "dev");
	assert_string_equal(c->severity[SEVERITY_CRITICAL].emoji, "🚨");
	assert_string_equal(c->severity[SEVERITY_CRITICAL].msgtype, "m.text");
	assert_string_equal(c->severity[SEVERITY_WARNING].emoji, "⚠️");
	assert_string_equal(c->severity[SEVERITY_WARNING].msgtype, "m.text");
	assert_string_equal(c->severity[SEVERITY_INFO].emoji, "ℹ️");
	assert_string_equal(c->severity[SEVERITY_INFO].msgtype, "m.notice");
	for (int s = 0; s < SEVERITY_COUNT; s++)
		assert_null(c->severity[s].mention[0]);
	assert_int_equal(c->apps_len, 0);
	assert_string_equal(c->socket.path, "/run/matrix-telemetry-bot/socket");
	assert_null(c->socket.group);
	assert_int_equal(c->socket.mode, 0660);
	assert_int_equal(c->socket.allow_uid_len, 0);
	assert_int_equal(c->socket.allow_gid_len, 0);
	assert_int_equal(c->socket.max_clients, 64);
	assert_string_equal(c->storage.database, "/tmp/operations.db");
	assert_string_equal(c->storage.spool, "/tmp/spool");
	assert_int_equal(c->storage.retention_ms, 90 * CLOCK_DAY_MS);
	assert_int_equal(c->delivery.throttle_ms, 60000);
	assert_int_equal(c->delivery.edit_interval_ms, 1000);
	assert_int_equal(c->delivery.storm, 20);
	assert_true(c->delivery.ring_on_close);
	assert_false(c->delivery.inhibit);
	assert_string_equal(c->commands.prefix, "!");
	assert_null(c->commands.rooms[0]);
	assert_null(c->commands.users[0]);
	assert_int_equal(c->commands.power_level, 50);
	assert_int_equal(c->commands.remind_ms, 30 * CLOCK_MINUTE_MS);
	assert_int_equal(c->commands.ack_timeout_ms, CLOCK_DAY_MS);
	assert_string_equal(c->heartbeat.room, "ops");
	assert_string_equal(c->heartbeat.at, "09:00");
	assert_string_equal(c->heartbeat.timezone, "UTC");
	assert_int_equal(c->heartbeat.grace_ms, 5 * CLOCK_MINUTE_MS);
	assert_null(c->meta.room);
	assert_null(c->meta.exec);
	assert_null(c->call_monitor.database);
	assert_true(c->call_monitor.violations_threshold == 50);
	assert_true(c->call_monitor.error_rate_threshold == 0.1);
	assert_int_equal(c->call_monitor.every_ms, CLOCK_HOUR_MS);
	assert_null(c->call_monitor.calls_table);
	assert_string_equal(c->call_monitor.calls_columns, "at,what,room,duration_ms,result,error");
	assert_int_equal(c->watches_len, 0);
	assert_null(c->http.listen);
	assert_int_equal(c->log.level, LOG_INFO);
	assert_int_equal(c->log.format, LOG_TEXT);
	config_unref(c);
}

static void test_builtin_kinds(void **state)
{
	static const struct {
		const char *name, *emoji, *text, *first, *second;
		enum severity severity;
	} kinds[] = {
	        {"node_failed", NULL,
	                "{emoji} **{app} · {node_id} FAILED** in {duration_ms}ms\nerror: "
	                "{error:200}",
	                "node_id", NULL, SEVERITY_CRITICAL},
	        {"dag_failed", "❌",
	                "{emoji} **{app} · DAG {dag_name} run {run_id} FAILED**\n"
	                "step {step_name} exit {exit_code}",
	                "dag_name", "step_name", SEVERITY_CRITICAL},
	        {"violations", "⚠️",
	                "{emoji} **{app} · violations_24h = {count}** (threshold {threshold})"
	                " — top rules: {rules}",
	                NULL, NULL, SEVERITY_WARNING},
	        {"error_rate", "⚠️",
	                "{emoji} **{app} · {function} error_rate_7d = {rate}** (threshold "
	                "{threshold})",
	                "function", NULL, SEVERITY_WARNING},
	        {"heartbeat_missed", NULL,
	                "{emoji} **{app} · {heartbeat} missed** (last seen {last_seen}, {every})",
	                "heartbeat", NULL, SEVERITY_CRITICAL},
	        {"heartbeat_failed", NULL, "{emoji} **{app} · {heartbeat} FAILED**\n{text}",
	                "heartbeat", NULL, SEVERITY_CRITICAL},
	        {"command_failed", NULL,
	                "{emoji} **{app} · {title} FAILED** after {duration}\n{text}", "title",
	                NULL, SEVERITY_CRITICAL},
	        {"message", NULL, "{emoji} **{app} · {title}**\n{text}", "title", NULL,
	                SEVERITY_WARNING},
	};
	struct config *c = good(BASE);

	assert_int_equal(c->kinds_len, 8);
	for (size_t i = 0; i < 8; i++) {
		const struct config_kind *kind = config_kind(c, kinds[i].name);

		assert_non_null(kind);
		assert_string_equal(kind->text, kinds[i].text);
		assert_null(kind->html);
		assert_int_equal(kind->severity, kinds[i].severity);
		if (kinds[i].emoji)
			assert_string_equal(kind->emoji, kinds[i].emoji);
		else
			assert_null(kind->emoji);
		if (!kinds[i].first) {
			assert_null(kind->identity[0]);
			continue;
		}
		assert_string_equal(kind->identity[0], kinds[i].first);
		if (kinds[i].second)
			assert_string_equal(kind->identity[1], kinds[i].second);
		assert_null(kind->identity[kinds[i].second ? 2 : 1]);
	}
	assert_null(config_kind(c, "nothing"));
	config_unref(c);
}

static const char every_key[] =
        "# a comment\n"
        "; another one\n"
        "[matrix]\n"
        "homeserver = https://matrix.example.org:8448\n"
        "user = @bot:example.org ; the bot\n"
        "token_command = pass show matrix/bot-token | head -1\n"
        "device_name = my bot\n"
        "invite_from = @a:example.org, @b:example.org @c:example.org\n"
        "proxy = http://proxy:3128\n"
        "ca_file = ca.pem\n"
        "[encryption]\n"
        "pickle_key_file = /keys/pickle\n"
        "password_command = pass show matrix/bot\n"
        "recovery_key_command = pass show matrix/key\n"
        "trust = verified\n"
        "[rooms]\n"
        "ops = #fn-registry-ops:example.org ; with a comment\n"
        "other = #fn-registry-ops:example.org\n"
        "dev=!abc:example.org\n"
        "v12 = !31hneApxJ_1o-63DmFrpeqnkFfWppnzWso1JvH3ogLM\n"
        "[route]\n"
        "critical = other\nwarning = dev\ninfo = v12\n"
        "[severity critical]\nemoji = 🔥\nmsgtype = m.notice\nmention = room @a:example.org\n"
        "[severity info]\nmsgtype = m.text\n"
        "[app data_factory]\n"
        "dashboard = https://factory.example.org/runs/{run_id}?a={node_id:20}#top\n"
        "critical = dev\nthrottle = 5m\nquiet = yes\n"
        "[app second]\ninfo = other\n"
        "[kind disk_full]\ntext = {emoji} {app}\\n{host} is full {{really}}\nhtml = <b>{host}</b>\n"
        "severity = critical\nidentity = host, mount\nemoji = 💾\n"
        "[kind node_failed]\nseverity = warning\n"
        "[socket]\npath = sock\ngroup = root\nmode = 600\nallow_uid = root, 1001\nallow_gid = 0 7\n"
        "max_clients = 4096\n"
        "[storage]\ndatabase = db/ops.db\nretention = 1w\n"
        "[delivery]\nthrottle = 0\nedit_interval = 250ms\nstorm = 0\nring_on_close = off\n"
        "inhibit = TRUE\n"
        "[commands]\nprefix = ~\nrooms = other dev\nusers = @a:example.org\npower_level = 100\n"
        "remind = 0\nack_timeout = 1d12h\n"
        "[heartbeat]\nroom = other\nat = 23:59\ntimezone = UTC\ngrace = 10m\n"
        "[meta]\nroom = dev\nexec = mail root\nhomeserver = example.com\nuser = @w:example.com\n"
        "token_file = w-token\nping_url = https://ping.example.com/x\n"
        "second_room = #w:example.com\nca_file = ca.pem\n"
        "[call_monitor]\ndatabase = /cm.db\nviolations_threshold = 10.5\n"
        "error_rate_threshold = 0\nevery = 10m\ncalls_table = calls\n"
        "calls_columns = at=called_at, what=function\n"
        "[watch stock]\ndatabase = shop.db\n"
        "sql = SELECT name AS title\n"
        "\tFROM goods\n"
        "  WHERE stock < 5\n"
        "every = 5m\nkind = disk_full\nseverity = info\n"
        "[http]\nlisten = [::1]:9400\ntoken_file = http-token\n"
        "[log]\nlevel = debug\nformat = json\n";

static void test_every_key(void **state)
{
	struct config *c = good(every_key);

	assert_string_equal(c->matrix.homeserver, "https://matrix.example.org:8448");
	assert_string_equal(c->matrix.user, "@bot:example.org");
	assert_string_equal(c->matrix.token.command, "pass show matrix/bot-token | head -1");
	assert_string_equal(c->matrix.device_name, "my bot");
	assert_string_equal(c->matrix.invite_from[1], "@b:example.org");
	assert_string_equal(c->matrix.invite_from[2], "@c:example.org");
	assert_null(c->matrix.invite_from[3]);
	assert_string_equal(c->matrix.proxy, "http://proxy:3128");
	assert_string_equal(c->matrix.ca_file, "/tmp/ca.pem");
	assert_string_equal(c->encryption.pickle_key.file, "/keys/pickle");
	assert_string_equal(c->encryption.password.command, "pass show matrix/bot");
	assert_string_equal(c->encryption.recovery_key.command, "pass show matrix/key");
	assert_string_equal(c->encryption.trust, "verified");
	assert_int_equal(c->rooms_len, 4);
	assert_string_equal(config_room(c, "ops")->address, "#fn-registry-ops:example.org");
	assert_string_equal(config_room(c, "dev")->address, "!abc:example.org");
	assert_null(config_room(c, "none"));
	/* "other" is the same room as "ops", which came first */
	assert_string_equal(c->route[SEVERITY_CRITICAL], "ops");
	assert_string_equal(c->route[SEVERITY_INFO], "v12");
	assert_string_equal(c->severity[SEVERITY_CRITICAL].emoji, "🔥");
	assert_string_equal(c->severity[SEVERITY_CRITICAL].msgtype, "m.notice");
	assert_string_equal(c->severity[SEVERITY_CRITICAL].mention[0], "room");
	assert_string_equal(c->severity[SEVERITY_CRITICAL].mention[1], "@a:example.org");
	assert_string_equal(c->severity[SEVERITY_INFO].msgtype, "m.text");
	assert_int_equal(c->apps_len, 2);
	const struct config_app *app = config_app(c, "data_factory");
	assert_string_equal(
	        app->dashboard, "https://factory.example.org/runs/{run_id}?a={node_id:20}#top");
	assert_string_equal(app->route[SEVERITY_CRITICAL], "dev");
	assert_null(app->route[SEVERITY_INFO]);
	assert_int_equal(app->throttle_ms, 300000);
	assert_true(app->quiet);
	app = config_app(c, "second");
	assert_string_equal(app->route[SEVERITY_INFO], "ops");
	assert_int_equal(app->throttle_ms, -1);
	assert_false(app->quiet);
	assert_null(config_app(c, "third"));
	assert_int_equal(c->kinds_len, 9);
	const struct config_kind *kind = config_kind(c, "disk_full");
	assert_string_equal(kind->text, "{emoji} {app}\n{host} is full {{really}}");
	assert_string_equal(kind->html, "<b>{host}</b>");
	assert_string_equal(kind->emoji, "💾");
	assert_int_equal(kind->severity, SEVERITY_CRITICAL);
	assert_string_equal(kind->identity[0], "host");
	assert_string_equal(kind->identity[1], "mount");
	assert_null(kind->identity[2]);
	/* one key of a built-in kind changed, the rest stays */
	kind = config_kind(c, "node_failed");
	assert_int_equal(kind->severity, SEVERITY_WARNING);
	assert_string_equal(kind->identity[0], "node_id");
	assert_string_equal(c->socket.path, "/tmp/sock");
	assert_string_equal(c->socket.group, "root");
	assert_int_equal(c->socket.mode, 0600);
	assert_int_equal(c->socket.allow_uid_len, 2);
	assert_int_equal(c->socket.allow_uid[0], 0);
	assert_int_equal(c->socket.allow_uid[1], 1001);
	assert_int_equal(c->socket.allow_gid_len, 2);
	assert_int_equal(c->socket.allow_gid[1], 7);
	assert_int_equal(c->socket.max_clients, 4096);
	assert_string_equal(c->storage.database, "/tmp/db/ops.db");
	assert_string_equal(c->storage.spool, "/tmp/db/spool");
	assert_int_equal(c->storage.retention_ms, 7 * CLOCK_DAY_MS);
	assert_int_equal(c->delivery.throttle_ms, 0);
	assert_int_equal(c->delivery.edit_interval_ms, 250);
	assert_int_equal(c->delivery.storm, 0);
	assert_false(c->delivery.ring_on_close);
	assert_true(c->delivery.inhibit);
	assert_string_equal(c->commands.prefix, "~");
	assert_string_equal(c->commands.rooms[0], "ops");
	assert_string_equal(c->commands.rooms[1], "dev");
	assert_string_equal(c->commands.users[0], "@a:example.org");
	assert_int_equal(c->commands.power_level, 100);
	assert_int_equal(c->commands.remind_ms, 0);
	assert_int_equal(c->commands.ack_timeout_ms, 36 * CLOCK_HOUR_MS);
	assert_string_equal(c->heartbeat.room, "ops");
	assert_string_equal(c->heartbeat.at, "23:59");
	assert_int_equal(c->heartbeat.grace_ms, 600000);
	assert_string_equal(c->meta.room, "dev");
	assert_string_equal(c->meta.exec, "mail root");
	assert_string_equal(c->meta.homeserver, "example.com");
	assert_string_equal(c->meta.user, "@w:example.com");
	assert_string_equal(c->meta.token.file, "/tmp/w-token");
	assert_string_equal(c->meta.ping_url, "https://ping.example.com/x");
	assert_string_equal(c->meta.second_room, "#w:example.com");
	assert_string_equal(c->meta.ca_file, "/tmp/ca.pem");
	assert_string_equal(c->call_monitor.database, "/cm.db");
	assert_true(c->call_monitor.violations_threshold == 10.5);
	assert_true(c->call_monitor.error_rate_threshold == 0);
	assert_int_equal(c->call_monitor.every_ms, 600000);
	assert_string_equal(c->call_monitor.calls_table, "calls");
	assert_string_equal(c->call_monitor.calls_columns, "at=called_at,what=function");
	assert_int_equal(c->watches_len, 1);
	assert_string_equal(c->watches[0].name, "stock");
	assert_string_equal(c->watches[0].database, "/tmp/shop.db");
	assert_string_equal(c->watches[0].sql, "SELECT name AS title\nFROM goods\nWHERE stock < 5");
	assert_int_equal(c->watches[0].every_ms, 300000);
	assert_string_equal(c->watches[0].kind, "disk_full");
	assert_int_equal(c->watches[0].severity, SEVERITY_INFO);
	assert_string_equal(c->http.listen, "[::1]:9400");
	assert_string_equal(c->http.token.file, "/tmp/http-token");
	assert_int_equal(c->log.level, LOG_DEBUG);
	assert_int_equal(c->log.format, LOG_JSON);
	config_unref(c);
}

static void test_one_room_gets_everything(void **state)
{
	struct config *c = good("[matrix]\nhomeserver=example.org\nuser=@b:example.org\n"
	                        "[rooms]\nall = #all:example.org\n");

	for (int s = 0; s < SEVERITY_COUNT; s++)
		assert_string_equal(c->route[s], "all");
	assert_string_equal(c->heartbeat.room, "all");
	config_unref(c);
}

static void test_odd_but_good_files(void **state)
{
	static const char *const texts[] = {
	        "\xEF\xBB\xBF" BASE,                  /* a byte order mark */
	        BASE "[log]\r\nlevel = error\r\n",    /* DOS line ends */
	        BASE "[log]\nlevel : error\n",        /* a colon */
	        BASE "[log] ; why\n level = error\n", /* indented, but the first of its section */
	        BASE "[log]\nlevel = error",          /* no end of line */
	        BASE "[log]\n\n\nlevel=error\n[log]\nformat=json\n", /* a section in two parts */
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct config *c = good(texts[i]);

		assert_int_equal(c->log.level, i == 0 ? LOG_INFO : LOG_ERROR);
		config_unref(c);
	}
}

static void test_references_keep_it(void **state)
{
	struct config *c = good(BASE);

	assert_ptr_equal(config_ref(c), c);
	config_unref(c);
	assert_string_equal(c->matrix.homeserver, "example.org");
	config_unref(c);
	config_unref(NULL);
}

static void test_severities_have_names(void **state)
{
	enum severity severity = SEVERITY_INFO;

	assert_true(severity_parse("critical", &severity));
	assert_int_equal(severity, SEVERITY_CRITICAL);
	assert_string_equal(severity_name(SEVERITY_WARNING), "warning");
	assert_false(severity_parse("loud", &severity));
	assert_false(severity_parse("", &severity));
	assert_false(severity_parse("Critical", &severity));
}

static void test_files_are_found_and_read(void **state)
{
	char folder[] = "/tmp/test_config.XXXXXX", path[64], wanted[64];
	struct config *c;
	struct buf report;
	FILE *file;

	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/bot.conf", folder);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(BASE, file);
	fclose(file);
	buf_init(&report, 4096);
	assert_int_equal(config_load(path, &c, &report), OK);
	snprintf(wanted, sizeof(wanted), "%s/operations.db", folder);
	assert_string_equal(c->storage.database, wanted);
	config_unref(c);
	setenv("MATRIX_TELEMETRY_BOT_CONFIG", path, 1);
	assert_string_equal(config_find(NULL), path);
	assert_string_equal(config_find("given"), "given");
	unsetenv("MATRIX_TELEMETRY_BOT_CONFIG");
	/* relative paths begin at the file's folder, not where the daemon was started */
	assert_int_equal(chdir(folder), 0);
	assert_string_equal(config_find(NULL), "bot.conf");
	assert_int_equal(config_load("bot.conf", &c, &report), OK);
	assert_string_equal(c->storage.database, wanted);
	config_unref(c);
	assert_int_equal(chdir("/"), 0);
	assert_string_equal(config_find(NULL), "/etc/matrix-telemetry-bot/bot.conf");
	buf_finish(&report);
	unlink(path);
	rmdir(folder);
}

static void test_what_wants_a_restart(void **state)
{
	static const struct {
		const char *more, *names;
	} cases[] = {
	        {"", ""},
	        {"[delivery]\nthrottle = 5s\n[log]\nlevel = debug\n", ""},
	        {"[socket]\npath = /run/x\n", "[socket] path"},
	        {"[socket]\ngroup = root\nmode = 0600\n", "[socket] group, [socket] mode"},
	        {"[storage]\ndatabase = x.db\n", "[storage] database"},
	        {"[storage]\nspool = x\n", "[storage] spool"},
	        {"[http]\nlisten = 127.0.0.1:9400\n", "[http] listen"},
	};
	struct config *from = good(BASE);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[512];
		struct buf names;

		snprintf(text, sizeof(text), BASE "%s", cases[i].more);
		struct config *to = good(text);
		buf_init(&names, 1024);
		config_name_restart_keys(from, to, &names);
		assert_string_equal(buf_str(&names), cases[i].names);
		buf_finish(&names);
		config_unref(to);
	}
	config_unref(from);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_defaults),
	        cmocka_unit_test(test_builtin_kinds),
	        cmocka_unit_test(test_every_key),
	        cmocka_unit_test(test_what_wants_a_restart),
	        cmocka_unit_test(test_one_room_gets_everything),
	        cmocka_unit_test(test_odd_but_good_files),
	        cmocka_unit_test(test_references_keep_it),
	        cmocka_unit_test(test_severities_have_names),
	        cmocka_unit_test(test_files_are_found_and_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

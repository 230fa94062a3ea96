/*
 * Every kind of fault in a config, with its line; and files that are no config at all.
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
#include "bot/base/text.h"
#include "bot/config/config.h"

/* Six lines; what a case adds begins in the seventh. */
#define BASE                                                            \
	"[matrix]\nhomeserver = example.org\nuser = @bot:example.org\n" \
	"[rooms]\nops = #ops:example.org\ndev = #dev:example.org\n"

struct fault_case {
	const char *text;
	const char *wanted; /* the whole report, without "f:" at the start of each line */
};

#define NOT_DURATION "must be a duration such as 30s, 5m or 1d12h"
#define NOT_USER "must be a user id such as @name:example.org"
#define NOT_USER_OR_ROOM "must be \"room\" or user ids such as @name:example.org"
#define NOT_SERVER "must be a server name such as example.org, or a URL with https://"
#define NOT_TIME "must be a time of day such as 09:00"
#define NOT_LISTEN "must be ADDRESS:PORT such as 127.0.0.1:9400"
#define NOT_COLUMNS                                                                           \
	"must be a list of OURS or OURS=THEIRS, where OURS is one of at, at_ms, what, room, " \
	"duration_ms, result, error, event_id and THEIRS a column"
#define INDENTED "an indented line goes on with the value above it, which has one line only"

static const struct fault_case cases[] = {
        /* what is required */
        {"", " [matrix] homeserver is missing\n [matrix] user is missing\n"
             " [rooms] has no room: at least one is needed, such as ops = #alerts:example.org\n"},
        {"[rooms]\nops = #o:e\n[matrix]\nuser = @b:e\n", "3: [matrix] homeserver is missing\n"},
        {"[matrix]\nhomeserver = e\nuser = @b:e\n[rooms]\na = #a:e\nb = #b:e\n",
                " [route] info is missing: there is no dev in [rooms], and more than one room\n"
                " [route] warning is missing: there is no dev in [rooms], and more than one room\n"
                " [route] critical is missing: there is no ops in [rooms], and more than one "
                "room\n"},
        /* unknown, twice, out of place */
        {BASE "[matrx]\nuser = x\nother = y\n",
                "7: there is no section [matrx]; did you mean [matrix]?\n"},
        {BASE "[apps shop]\n", "7: there is no section [apps shop]; did you mean [app NAME]?\n"},
        {BASE "[zebra]\n", "7: there is no section [zebra]\n"},
        {BASE "[]\n", "7: there is no section []\n"},
        {BASE "[app]\n", "7: there is no section [app]; did you mean [app NAME]?\n"},
        {BASE "[app ]\n", "7: [app ] needs a name\n"},
        {BASE "[app a b]\n",
                "7: [app a b]: a name has letters, digits, _ . and - only, at most 64\n"},
        {BASE "[severity loud]\n", "7: [severity loud]: must be one of critical, warning, info\n"},
        {BASE "[matrix]\nhomesever = x\n",
                "8: [matrix] has no key homesever; did you mean homeserver?\n"},
        {BASE "[matrix]\ntoken = secret\n", "8: [matrix] has no key token\n"},
        {BASE "[log]\nlevle = info\n", "8: [log] has no key levle; did you mean level?\n"},
        {BASE "[matrix]\nuser = @c:e\n", "8: [matrix] user is given twice, first in line 3\n"},
        {BASE "ops = #x:e\n", "7: [rooms] ops is given twice, first in line 5\n"},
        {"a = b\n" BASE, "1: \"a\" stands before the first [section]\n"},
        /* lines */
        {BASE "[log\nlevel = info\n", "7: a [section] without its end ]\n"},
        {BASE "[log] level = info\n", "7: [log]: something stands behind the ]\n"},
        {BASE "[lo;g]\n", "7: [lo;g]: a section's name has no ; and at most 47 bytes\n"},
        {BASE "[app aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]\n",
                "7: [app aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]: a section's name "
                "has "
                "no ; and at most 47 bytes\n"},
        {BASE "[log]\nlevel\nnonsense\n",
                "8: \"level\" is neither a [section] nor \"key = value\"\n"
                "9: \"nonsense\" is neither a [section] nor \"key = value\"\n"},
        {BASE "[log]\naaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa = 1\n",
                "8: a key over 47 bytes\n"},
        {BASE "[log]\nlevel = info\n  format = json\n", "9: [log] level: " INDENTED "\n"},
        {BASE "  more\n", "7: [rooms] an indented line goes on with the value above it\n"},
        {BASE "[kind x]\ntext = a\n  {b\n",
                "9: [kind x] text: has a placeholder without its end }\n"},
        /* values */
        {BASE "[matrix]\nproxy =\n", "8: [matrix] proxy: must not be empty\n"},
        {BASE "[matrix]\nca_file = ; nothing\n", "8: [matrix] ca_file: must not be empty\n"},
        {BASE "[matrix]\ninvite_from = @a:e bob\n",
                "8: [matrix] invite_from: " NOT_USER ", not \"@a:e bob\"\n"},
        {BASE "[meta]\nhomeserver = ftp://x\nuser = @a:e\ntoken_file = x\n",
                "8: [meta] homeserver: " NOT_SERVER ", not \"ftp://x\"\n"},
        {BASE "[meta]\nping_url = ping.example.com\n",
                "8: [meta] ping_url: must be a URL with https:// or http://, not "
                "\"ping.example.com\"\n"},
        {BASE "[meta]\nexec = mail -s 'x root\n",
                "8: [meta] exec: has a ' that is not closed; it is split into words by quotes, and "
                "no shell reads it, not \"mail -s 'x root\"\n"},
        {BASE "[meta]\nsecond_room = ops\n",
                "8: [meta] second_room: must be an alias such as #name:example.org or a room id "
                "such as !id:example.org, not \"ops\"\n"},
        {BASE "[encryption]\ntrust = some\n", "8: [encryption] trust: must be one of cross-signed, "
                                              "verified, all, not \"some\"\n"},
        {BASE "a = b\n",
                "7: [rooms] a: must be an alias such as #name:example.org or a room id such "
                "as !id:example.org, not \"b\"\n"},
        {BASE "a = #b\n", "7: [rooms] a: must be an alias such as #name:example.org or a room id "
                          "such as !id:example.org, not \"#b\"\n"},
        {BASE "a b = #a:e\n",
                "7: [rooms] a b: a name has letters, digits, _ . and - only, at most 47\n"},
        {BASE "[route]\ncritical = opps\n",
                "8: [route] critical: there is no opps in [rooms]; did you mean ops?\n"},
        {BASE "[app x]\ninfo = nowhere\n", "8: [app x] info: there is no nowhere in [rooms]\n"},
        {BASE "[commands]\nrooms = ops nowhere\n",
                "8: [commands] rooms: there is no nowhere in [rooms]\n"},
        {BASE "[heartbeat]\nroom = x\n", "8: [heartbeat] room: there is no x in [rooms]\n"},
        {BASE "[meta]\nroom = x\n", "8: [meta] room: there is no x in [rooms]\n"},
        {BASE "[severity info]\nmsgtype = m.emote\n",
                "8: [severity info] msgtype: must be one of m.text, m.notice, not \"m.emote\"\n"},
        {BASE "[severity info]\nmention = everyone\n",
                "8: [severity info] mention: " NOT_USER_OR_ROOM ", not \"everyone\"\n"},
        {BASE "[app x]\ndashboard = javascript:alert(1)\n",
                "8: [app x] dashboard: must begin with https:// or http:// and a host, not "
                "\"javascript:alert(1)\"\n"},
        {BASE "[app x]\ndashboard = https://{host}/x\n",
                "8: [app x] dashboard: must begin with https:// or http:// and a host, not "
                "\"https://{host}/x\"\n"},
        {BASE "[app x]\ndashboard = https://e/{run_id\n",
                "8: [app x] dashboard: has a placeholder without its end }, not "
                "\"https://e/{run_id\"\n"},
        {BASE "[app x]\nthrottle = 5\n", "8: [app x] throttle: " NOT_DURATION ", not \"5\"\n"},
        {BASE "[app x]\nthrottle = 2d\n",
                "8: [app x] throttle: must be from 0 to 1d, not \"2d\"\n"},
        {BASE "[app x]\nquiet = perhaps\n",
                "8: [app x] quiet: must be yes or no, not \"perhaps\"\n"},
        {BASE "[kind x]\ntext = a } b\n",
                "8: [kind x] text: has a single brace: {field} and {field:200} stand for values, "
                "{{ and }} for braces, not \"a } b\"\n"},
        {BASE "[kind x]\nhtml = {a:0}\n", "8: [kind x] html: has a placeholder whose length is not "
                                          "from 1 to 2000, not \"{a:0}\"\n"},
        {BASE "[kind x]\nhtml = {a:x}\n", "8: [kind x] html: has a placeholder whose length is not "
                                          "from 1 to 2000, not \"{a:x}\"\n"},
        {BASE "[kind x]\nseverity = loud\n",
                "8: [kind x] severity: must be one of info, warning, critical, not \"loud\"\n"},
        {BASE "[socket]\nmode = 0999\n",
                "8: [socket] mode: must be an octal mode such as 0660, not \"0999\"\n"},
        {BASE "[socket]\nmode = 4777\n",
                "8: [socket] mode: must be an octal mode such as 0660, not \"4777\"\n"},
        {BASE "[socket]\ngroup = no-such-group\n",
                "8: [socket] group: there is no group no-such-group, not \"no-such-group\"\n"},
        {BASE "[socket]\nallow_uid = root, no-such-user\n",
                "8: [socket] allow_uid: there is no user no-such-user, not \"root, "
                "no-such-user\"\n"},
        {BASE "[socket]\nallow_gid = 4294967295\n",
                "8: [socket] allow_gid: has an id that is too large, not \"4294967295\"\n"},
        {BASE "[socket]\nmax_clients = 0\n",
                "8: [socket] max_clients: must be from 1 to 4096, not \"0\"\n"},
        {BASE "[socket]\nmax_clients = 1.5\n",
                "8: [socket] max_clients: must be a whole number, not \"1.5\"\n"},
        {BASE "[socket]\nmax_clients = 0x10\n",
                "8: [socket] max_clients: must be a whole number, not \"0x10\"\n"},
        {BASE "[socket]\npath = "
              "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
              "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
                "8: [socket] path is over 107 bytes long\n"},
        {BASE "[storage]\nretention = 1m\n",
                "8: [storage] retention: must be from 1h to 7320d, not \"1m\"\n"},
        {BASE "[delivery]\nedit_interval = 1ms\n",
                "8: [delivery] edit_interval: must be from 100ms to 1m, not \"1ms\"\n"},
        {BASE "[delivery]\nstorm = -1\n",
                "8: [delivery] storm: must be from 0 to 100000, not \"-1\"\n"},
        {BASE "[commands]\npower_level = 1000\n",
                "8: [commands] power_level: must be from 0 to 100, not \"1000\"\n"},
        {BASE "[heartbeat]\nat = 24:00\n", "8: [heartbeat] at: " NOT_TIME ", not \"24:00\"\n"},
        {BASE "[heartbeat]\nat = 9:00\n", "8: [heartbeat] at: " NOT_TIME ", not \"9:00\"\n"},
        {BASE "[heartbeat]\ntimezone = ../../etc/passwd\n",
                "8: [heartbeat] timezone: must be a time zone of this system such as "
                "Europe/Madrid, "
                "not \"../../etc/passwd\"\n"},
        {BASE "[call_monitor]\nerror_rate_threshold = nan\n",
                "8: [call_monitor] error_rate_threshold: must be a number, not \"nan\"\n"},
        {BASE "[call_monitor]\nerror_rate_threshold = 1.1\n",
                "8: [call_monitor] error_rate_threshold: must be from 0 to 1, not \"1.1\"\n"},
        {BASE "[call_monitor]\ndatabase = x\ncalls_table = a; DROP\n",
                "9: [call_monitor] calls_table: must be a name of letters, digits and _, not "
                "\"a; DROP\"\n"},
        {BASE "[call_monitor]\ncalls_table = a\n",
                "8: [call_monitor] calls_table: database is missing\n"},
        {BASE "[call_monitor]\ncalls_columns = at, whom=x\n",
                "8: [call_monitor] calls_columns: " NOT_COLUMNS ", not \"at, whom=x\"\n"},
        {BASE "[call_monitor]\ncalls_columns = what=a-b\n",
                "8: [call_monitor] calls_columns: " NOT_COLUMNS ", not \"what=a-b\"\n"},
        {BASE "[watch low stock]\nsql = x\n",
                "7: [watch low stock]: a name has letters, digits, _ . and - only, at most 64\n"},
        {BASE "[escalate e]\nafter = 0\n",
                "8: [escalate e] after: must be from 1s to 366d, not \"0\"\n"
                "7: [escalate e] needs mention or room: whom to tell\n"},
        {BASE "[escalate e]\nroom = nowhere\n",
                "8: [escalate e] room: there is no nowhere in [rooms]\n"},
        {BASE "[quiet q]\nwhat = app=~(\ndays = mon-fri, tues, mon-\nfrom = 7\n",
                "10: [quiet q] from: must be a time of day such as 09:00, not \"7\"\n"
                "8: [quiet q] what: the regular expression of app: missing closing parenthesis\n"
                "9: [quiet q] days: tues is neither a day such as mon nor a range such as "
                "mon-fri\n"
                "9: [quiet q] days: mon- is neither a day such as mon nor a range such as "
                "mon-fri\n"
                "7: [quiet q] needs from and to\n"},
        {BASE "[quiet q]\nfrom = 07:00\nto = 07:00\ndays =\n",
                "10: [quiet q] days: no day is given\n9: [quiet q] to: it would have no end\n"},
        {BASE "[watch w]\nkind = nothing\n",
                "7: [watch w] database is missing\n7: [watch w] sql is missing\n"
                "8: [watch w] kind: there is no kind nothing, neither built-in nor as "
                "[kind nothing]\n"},
        {BASE "[http]\nlisten = 9400\n", "8: [http] listen: " NOT_LISTEN ", not \"9400\"\n"},
        {BASE "[http]\nlisten = ::1:9400\n",
                "8: [http] listen: " NOT_LISTEN ", not \"::1:9400\"\n"},
        {BASE "[http]\nlisten = 0.0.0.0:65536\n",
                "8: [http] listen: " NOT_LISTEN ", not \"0.0.0.0:65536\"\n"},
        {BASE "[log]\nlevel = loud\n",
                "8: [log] level: must be one of error, warning, info, debug, not \"loud\"\n"},
        {BASE "[log]\nformat = xml\n", "8: [log] format: must be one of text, json, not \"xml\"\n"},
        /* what excludes or wants another */
        {BASE "[matrix]\ntoken_command = a\ntoken_file = b\n",
                "9: [matrix] token_command and token_file: only one of the two\n"},
        {BASE "[encryption]\npickle_key_file = a\npickle_key_command = b\n",
                "8: [encryption] pickle_key_command and pickle_key_file: only one of the two\n"},
        {BASE "[meta]\nhomeserver = example.com\n",
                "7: [meta] user of the second account is missing\n"
                "7: [meta] token_command or token_file of the second account is missing\n"},
        /* text that would forge a line of the report */
        {BASE "[log]\nlevel = a\033[2Jb\xE2\x80\xAE\n",
                "8: [log] level: must be one of error, warning, info, debug, not "
                "\"a\xEF\xBF\xBD[2Jb\xEF\xBF\xBD\"\n"},
};

/* Puts the file's name in front of each wanted line. */
static void with_name(const char *wanted, struct buf *out)
{
	while (*wanted) {
		size_t len = strcspn(wanted, "\n") + 1;

		buf_add_str(out, "f:");
		buf_add(out, wanted, len);
		wanted += len;
	}
}

static void test_every_fault_with_its_line(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config *config = (struct config *)&cases;
		struct buf report, wanted;

		buf_init(&report, 65536);
		buf_init(&wanted, 65536);
		with_name(cases[i].wanted, &wanted);
		enum err err = config_parse(cases[i].text, "f", &config, &report);
		if (err != ERR_CONFIG || strcmp(buf_str(&report), buf_str(&wanted)) != 0)
			fail_msg("%s\nfound:\n%s\nwanted:\n%s", cases[i].text, buf_str(&report),
			        buf_str(&wanted));
		assert_null(config);
		buf_finish(&report);
		buf_finish(&wanted);
	}
}

static void test_all_faults_are_told_together(void **state)
{
	struct config *config;
	struct buf report;

	buf_init(&report, 65536);
	assert_int_equal(config_parse("[matrix]\nuser = bob\n[nonsense]\nx = 1\n[delivery]\n"
	                              "throttle = soon\nthrotle = 1s\n[rooms]\nops = x\nnothing\n",
	                         "/etc/b.conf", &config, &report),
	        ERR_CONFIG);
	assert_string_equal(buf_str(&report),
	        "/etc/b.conf:2: [matrix] user: " NOT_USER ", not \"bob\"\n"
	        "/etc/b.conf:3: there is no section [nonsense]\n"
	        "/etc/b.conf:6: [delivery] throttle: " NOT_DURATION ", not \"soon\"\n"
	        "/etc/b.conf:7: [delivery] has no key throtle; did you mean throttle?\n"
	        "/etc/b.conf:9: [rooms] ops: must be an alias such as #name:example.org or a room "
	        "id "
	        "such as !id:example.org, not \"x\"\n"
	        "/etc/b.conf:10: \"nothing\" is neither a [section] nor \"key = value\"\n"
	        "/etc/b.conf:1: [matrix] homeserver is missing\n"
	        "/etc/b.conf:8: [rooms] has no room: at least one is needed, such as ops = "
	        "#alerts:example.org\n");
	buf_finish(&report);
}

/* --- hostile files -------------------------------------------------------------------------- */

/* Loads a file with this content; what was reported is in *report. */
static enum err load(const char *data, size_t len, struct buf *report)
{
	char path[] = "/tmp/test_config.XXXXXX";
	struct config *config;
	int fd = mkstemp(path);
	enum err err;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	close(fd);
	buf_init(report, 1024 * 1024);
	err = config_load(path, &config, report);
	assert_int_equal(err == OK, config);
	assert_int_equal(err == OK, report->len == 0);
	assert_true(text_is_utf8(buf_str(report), report->len));
	config_unref(config);
	unlink(path);
	return err;
}

static void test_a_nul_or_broken_utf8_is_refused_with_its_line(void **state)
{
	static const char nul[] = BASE "[log]\nlevel = info\0 more\n";
	static const char broken[] = BASE "[log]\n\nlevel = \xC3(\n";
	struct buf report;

	assert_int_equal(load(nul, sizeof(nul) - 1, &report), ERR_CONFIG);
	assert_non_null(strstr(buf_str(&report), ":8: is not UTF-8 text\n"));
	buf_finish(&report);
	assert_int_equal(load(broken, sizeof(broken) - 1, &report), ERR_CONFIG);
	assert_non_null(strstr(buf_str(&report), ":9: is not UTF-8 text\n"));
	buf_finish(&report);
}

/* A line too long is a fault, and neither its start nor its end is taken for anything. */
static void test_long_lines_are_never_cut(void **state)
{
	static const size_t lengths[] = {16 * 1024 - 1, 16 * 1024, 64 * 1024, 1000 * 1000};

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct buf text, report;

		buf_init(&text, 2 * 1024 * 1024);
		buf_add_str(&text, BASE "[matrix]\nproxy = ");
		while (text.len < strlen(BASE "[matrix]\n") + lengths[i])
			buf_add_char(&text, 'x');
		buf_add_str(&text, "\n[nonsense]\n");
		assert_int_equal(load(text.data, text.len, &report), ERR_CONFIG);
		assert_non_null(strstr(buf_str(&report), ":8: a line over 16382 bytes\n"));
		assert_non_null(strstr(buf_str(&report), ":9: there is no section [nonsense]\n"));
		buf_finish(&report);
		buf_finish(&text);
	}
}

static void test_the_longest_line_is_taken_whole(void **state)
{
	struct config *config;
	struct buf text, report;
	size_t start;

	buf_init(&text, 65536);
	buf_init(&report, 65536);
	buf_add_str(&text, BASE "[matrix]\n");
	start = text.len;
	buf_add_str(&text, "proxy = ");
	while (text.len - start < 16382)
		buf_add_char(&text, 'x');
	buf_add_str(&text, "\n");
	assert_int_equal(config_parse(buf_str(&text), "f", &config, &report), OK);
	assert_int_equal(strlen(config->matrix.proxy), 16382 - strlen("proxy = "));
	config_unref(config);
	buf_finish(&text);
	buf_finish(&report);
}

static void test_a_file_over_a_mebibyte_is_refused(void **state)
{
	size_t len = 1024 * 1024 + 1;
	char *data = malloc(len);
	struct buf report;

	memset(data, '\n', len);
	assert_int_equal(load(data, len, &report), ERR_CONFIG);
	assert_non_null(strstr(buf_str(&report), ": is over 1 MiB\n"));
	buf_finish(&report);
	free(data);
}

static void test_binary_files_do_no_harm(void **state)
{
	unsigned seed = 1;
	char data[4096];

	for (int round = 0; round < 200; round++) {
		struct buf report;

		for (size_t i = 0; i < sizeof(data); i++) {
			seed = seed * 1103515245 + 12345;
			data[i] = (char)(seed >> 16);
		}
		assert_int_equal(load(data, sizeof(data), &report), ERR_CONFIG);
		buf_finish(&report);
	}
}

/* Text made of what the parser looks for, in any order: never a crash, and always a fault when
 * the result is none. */
static void test_shuffled_syntax_does_no_harm(void **state)
{
	static const char *const pieces[] = {"[", "]", "[matrix]", "[rooms]", "[app x]", "[kind y]",
	        "\n", "\n", "\n", " ", "\t", "=", ":", ";", " ;", "#", "\r", "user", "ops", "#a:b",
	        "text", "{", "}", "{a}", "\\n", "é", "[severity info]", "mention", "\xEF\xBB\xBF",
	        "[watch w]", "sql", "x"};
	unsigned seed = 7;

	for (int round = 0; round < 3000; round++) {
		struct config *config;
		struct buf text, report;

		buf_init(&text, 65536);
		buf_init(&report, 1024 * 1024);
		for (int i = 0; i < 60; i++) {
			seed = seed * 1103515245 + 12345;
			buf_add_str(
			        &text, pieces[(seed >> 16) % (sizeof(pieces) / sizeof(pieces[0]))]);
		}
		enum err err = config_parse(buf_str(&text), "f", &config, &report);
		assert_int_equal(err == OK, config);
		assert_int_equal(err == OK, report.len == 0);
		config_unref(config);
		buf_finish(&text);
		buf_finish(&report);
	}
}

static void test_what_is_no_file_is_told(void **state)
{
	struct config *config;
	struct buf report;

	buf_init(&report, 4096);
	assert_int_equal(config_load("/nonexistent/bot.conf", &config, &report), ERR_IO);
	assert_string_equal(buf_str(&report), "/nonexistent/bot.conf: No such file or directory\n");
	buf_reset(&report);
	assert_int_equal(config_load("/tmp", &config, &report), ERR_IO);
	assert_string_equal(buf_str(&report), "/tmp: is not a regular file\n");
	buf_finish(&report);
}

static void test_without_tzdata_the_package_is_named(void **state)
{
	struct config *config = NULL;
	struct buf report;

	buf_init(&report, 4096);
	setenv("TZDIR", "/nonexistent/zoneinfo", 1);
	assert_int_equal(
	        config_parse(BASE "[heartbeat]\ntimezone = Europe/Madrid\n", "f", &config, &report),
	        ERR_CONFIG);
	unsetenv("TZDIR");
	assert_non_null(strstr(buf_str(&report), "install the package tzdata"));
	buf_finish(&report);
}

static void test_more_sections_than_sane_are_refused(void **state)
{
	struct config *config;
	struct buf text, report;

	buf_init(&text, 1024 * 1024);
	buf_init(&report, 1024 * 1024);
	buf_add_str(&text, BASE);
	for (int i = 0; i < 1030; i++)
		buf_printf(&text, "[app a%d]\n", i);
	assert_int_equal(config_parse(buf_str(&text), "f", &config, &report), ERR_CONFIG);
	assert_non_null(strstr(buf_str(&report), "f:1031: more than 1024 sections of this kind\n"));
	buf_finish(&text);
	buf_finish(&report);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_every_fault_with_its_line),
	        cmocka_unit_test(test_all_faults_are_told_together),
	        cmocka_unit_test(test_a_nul_or_broken_utf8_is_refused_with_its_line),
	        cmocka_unit_test(test_long_lines_are_never_cut),
	        cmocka_unit_test(test_the_longest_line_is_taken_whole),
	        cmocka_unit_test(test_a_file_over_a_mebibyte_is_refused),
	        cmocka_unit_test(test_binary_files_do_no_harm),
	        cmocka_unit_test(test_shuffled_syntax_does_no_harm),
	        cmocka_unit_test(test_what_is_no_file_is_told),
	        cmocka_unit_test(test_without_tzdata_the_package_is_named),
	        cmocka_unit_test(test_more_sections_than_sane_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

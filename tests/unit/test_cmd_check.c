/*
 * `check` as a whole, against a homeserver out of a table: what it finds, how to mend it, and its
 * exit code.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>
#include "bot/setup/cmd_check.h"
#include "fake_ask.h"
#include "storage/outbox.h"
#include "storage/state.h"

#define WHOAMI "{\"user_id\":\"@bot:e\",\"device_id\":\"DEV\"}"
#define JOINED "{\"membership\":\"join\"}"
#define MEMBER(room) "/v3/rooms/%21" room "/state/m.room.member/%40bot%3Ae"
#define STATE(room, type) "/v3/rooms/%21" room "/state/" type

static const struct fake_call good_calls[] = {
        {"GET", "/v3/account/whoami", OK, WHOAMI, NULL},
        {"POST", "/v3/keys/query", OK, "{\"device_keys\":{}}", NULL},
        {"GET", "/v3/directory/room/%23ops%3Ae", OK, "{\"room_id\":\"!ops\"}", NULL},
        {"GET", "/v3/directory/room/%23dev%3Ae", OK, "{\"room_id\":\"!dev\"}", NULL},
        {"GET", MEMBER("ops"), OK, JOINED, NULL},
        {"GET", MEMBER("dev"), OK, JOINED, NULL},
};

#define GOOD_LEN (sizeof(good_calls) / sizeof(good_calls[0]))

/* A folder with a good config; its calls can be changed. */
struct fixture {
	char folder[64], config[96], database[96], token[96], spool[96], socket[96];
	struct fake_call calls[GOOD_LEN + 8];
	char *report; /* of the last run */
};

static void write_text(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void write_config(struct fixture *f, const char *more)
{
	char text[2048];

	snprintf(text, sizeof(text),
	        "[matrix]\nhomeserver = example.org\nuser = @bot:e\ntoken_file = token\n"
	        "[rooms]\nops = #ops:e\ndev = #dev:e\nagain = #dev:e\n"
	        "[storage]\ndatabase = operations.db\n[socket]\npath = socket\n%s",
	        more);
	write_text(f->config, text, 0600);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->folder, "/tmp/test_check.XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->config, sizeof(f->config), "%s/bot.conf", f->folder);
	snprintf(f->database, sizeof(f->database), "%s/operations.db", f->folder);
	snprintf(f->token, sizeof(f->token), "%s/token", f->folder);
	snprintf(f->spool, sizeof(f->spool), "%s/spool", f->folder);
	snprintf(f->socket, sizeof(f->socket), "%s/socket", f->folder);
	write_config(f, "");
	write_text(f->token, "s3cret\n", 0600);
	fake_ask_reset();
	memcpy(f->calls, good_calls, sizeof(good_calls));
	fake_ask.calls = f->calls;
	fake_ask.len = GOOD_LEN;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", f->folder);
	assert_int_equal(system(command), 0);
	fake_ask_reset();
	free(f->report);
	free(f);
	return 0;
}

/* Runs it with standard output in a file, and takes that into f->report. */
static int run(struct fixture *f, bool json)
{
	FILE *out = tmpfile();
	int saved, code;
	long len;

	assert_non_null(out);
	fflush(stdout);
	saved = dup(STDOUT_FILENO);
	assert_true(dup2(fileno(out), STDOUT_FILENO) >= 0);
	code = cmd_check(f->config, json);
	fflush(stdout);
	assert_true(dup2(saved, STDOUT_FILENO) >= 0);
	close(saved);
	len = lseek(fileno(out), 0, SEEK_END);
	free(f->report);
	f->report = calloc(1, (size_t)len + 1);
	assert_int_equal(pread(fileno(out), f->report, (size_t)len, 0), len);
	fclose(out);
	assert_null(strstr(f->report, "s3cret"));
	return code;
}

static void expect(struct fixture *f, int wanted, const char *text)
{
	int code = run(f, false);

	if (code != wanted || !strstr(f->report, text))
		fail_msg("code %d, not %d, or no \"%s\" in:\n%s", code, wanted, text, f->report);
}

/* The same, and the report says how to mend it. */
static void expect_fix(struct fixture *f, int wanted, const char *text, const char *fix)
{
	expect(f, wanted, text);
	if (!strstr(f->report, fix))
		fail_msg("no \"%s\" in:\n%s", fix, f->report);
}

static struct fake_call *call(struct fixture *f, const char *path)
{
	for (size_t i = 0; i < fake_ask.len; i++)
		if (strcmp(f->calls[i].path, path) == 0)
			return &f->calls[i];
	f->calls[fake_ask.len] = (struct fake_call){"GET", path, OK, NULL, NULL};
	return &f->calls[fake_ask.len++];
}

static void test_all_well(void **state)
{
	struct fixture *f = *state;

	expect_fix(f, EX_OK, "! socket ", "start it: systemctl start matrix-telemetry-bot");
	assert_non_null(strstr(f->report, "\nall well, 1 warning\n"));
	assert_non_null(strstr(f->report, "✓ access token"));
	assert_non_null(strstr(f->report, "✓ homeserver        https://matrix.example.org\n"));
	assert_non_null(strstr(f->report, "✓ account           @bot:e, device DEV\n"));
	assert_non_null(strstr(f->report, "✓ clock             agrees with the homeserver's\n"));
	assert_non_null(strstr(
	        f->report, "✓ room ops          #ops:e: joined, may write, not encrypted\n"));
	assert_non_null(strstr(f->report, "✓ room dev "));
	assert_null(strstr(f->report, "room again"));
	assert_non_null(strstr(f->report, "will be created on first start"));
	assert_null(strstr(f->report, "✗"));
	/* nothing was made or changed */
	assert_int_not_equal(access(f->database, F_OK), 0);
	assert_int_not_equal(access(f->spool, F_OK), 0);
}

static void test_a_device_with_keys_of_others(void **state)
{
	struct fixture *f = *state;
	struct fake_call *query = call(f, "/v3/keys/query");

	expect(f, EX_OK,
	        "✓ device            DEV has no encryption keys yet: created on first start");
	query->body = "{\"device_keys\":{\"@bot:e\":{\"DEV\":{\"user_id\":\"@bot:e\","
	              "\"device_id\":\"DEV\",\"keys\":{\"ed25519:DEV\":"
	              "\"11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo\"},\"signatures\":{\"@bot:e\":"
	              "{\"ed25519:DEV\":\"AAAA\"}}}}}}";
	expect_fix(f, EX_UNAVAILABLE, "shows keys of DEV that are not its own", "log in again");
	query->code = ERR_SERVER;
	query->body = NULL;
	expect(f, EX_OK, "cannot ask for its keys");
}

static void test_json(void **state)
{
	struct fixture *f = *state;
	json_t *object, *line;
	size_t i;
	bool found = false;

	assert_int_equal(run(f, true), EX_OK);
	object = json_loads(f->report, 0, NULL);
	assert_non_null(object);
	assert_true(json_is_true(json_object_get(object, "ok")));
	json_decref(object);
	call(f, MEMBER("dev"))->code = ERR_DENIED;
	call(f, MEMBER("dev"))->body = NULL;
	assert_int_equal(run(f, true), EX_UNAVAILABLE);
	object = json_loads(f->report, 0, NULL);
	assert_true(json_is_false(json_object_get(object, "ok")));
	json_array_foreach(json_object_get(object, "checks"), i, line)
	{
		const char *what = json_string_value(json_object_get(line, "what"));

		if (strcmp(what, "room dev") != 0)
			continue;
		found = true;
		assert_string_equal(json_string_value(json_object_get(line, "level")), "fault");
		assert_non_null(
		        strstr(json_string_value(json_object_get(line, "fix")), "invite @bot:e"));
	}
	assert_true(found);
	json_decref(object);
}

static void test_a_bad_config_is_told_line_by_line(void **state)
{
	struct fixture *f = *state;

	write_config(f, "[log]\nlevel = loud\nfromat = json\n");
	expect(f, EX_CONFIG, "bot.conf:14: [log] level: must be one of");
	assert_non_null(strstr(f->report, "bot.conf:15: [log] has no key fromat; did you mean"));
	assert_null(strstr(f->report, "account"));
	unlink(f->config);
	expect(f, EX_CONFIG, "No such file");
}

static void test_tokens(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(chmod(f->token, 0644), 0);
	expect_fix(f, EX_CONFIG, "✗ access token", "chmod 600");
	unlink(f->token);
	expect_fix(f, EX_CONFIG, "✗ access token", "→ run: matrix-telemetry-bot login");
	assert_null(strstr(f->report, "✓ room"));
	write_text(f->token, "two words\n", 0600);
	expect(f, EX_CONFIG, "is not an access token");
}

static void test_accounts(void **state)
{
	struct fixture *f = *state;
	struct fake_call *whoami = call(f, "/v3/account/whoami");

	whoami->body = "{\"user_id\":\"@other:e\",\"device_id\":\"D\"}";
	expect_fix(f, EX_CONFIG, "the token belongs to @other:e, but [matrix] user is @bot:e",
	        "correct [matrix] user");
	whoami->body = "{\"user_id\":\"@bot:e\"}";
	expect(f, EX_CONFIG, "does not belong to a user and a device");
	whoami->body = NULL;
	whoami->code = ERR_AUTH;
	expect_fix(f, EX_CONFIG, "✗ account", "matrix-telemetry-bot login");
	whoami->code = ERR_SERVER;
	expect_fix(f, EX_TEMPFAIL, "✗ account           homeserver error", "try again in a minute");
}

static void test_no_homeserver(void **state)
{
	struct fixture *f = *state;

	fake_ask.open = ERR_NET;
	expect_fix(f, EX_TEMPFAIL, "✗ homeserver        no way to example.org", "proxy");
	fake_ask.open = ERR_INVALID;
	expect(f, EX_CONFIG, "✗ homeserver");
	/* what is on this machine is looked at all the same */
	assert_non_null(strstr(f->report, "✓ spool"));
}

static void test_clocks(void **state)
{
	struct fixture *f = *state;

	fake_ask.skew_ms = 20000;
	expect(f, EX_OK, "✓ clock");
	fake_ask.skew_ms = -600000;
	expect_fix(f, EX_UNAVAILABLE, "✗ clock             10m ahead of the homeserver's",
	        "timedatectl");
	fake_ask.skew_ms = 600000;
	expect(f, EX_UNAVAILABLE, "10m behind the homeserver's");
}

static void test_rooms(void **state)
{
	struct fixture *f = *state;
	struct fake_call *alias = call(f, "/v3/directory/room/%23dev%3Ae");
	struct fake_call *member = call(f, MEMBER("dev"));
	struct fake_call *levels, *other;

	alias->code = ERR_NOT_FOUND;
	alias->body = NULL;
	expect_fix(f, EX_UNAVAILABLE, "✗ room dev          #dev:e: there is no such alias",
	        "correct [rooms] dev");
	assert_non_null(strstr(f->report, "✓ room ops"));
	alias->code = ERR_TIMEOUT;
	expect_fix(
	        f, EX_TEMPFAIL, "✗ room dev          #dev:e: timed out", "try again in a minute");
	alias->code = OK;
	alias->body = "{\"room_id\":\"!dev\"}";
	member->body = "{\"membership\":\"leave\"}";
	expect(f, EX_UNAVAILABLE, "the bot is not in the room");
	member->body = "{\"membership\":\"invite\"}";
	expect_fix(f, EX_OK, "! room dev          #dev:e: invited", "start the daemon: it joins");
	assert_non_null(strstr(f->report, "all well, 2 warnings"));
	member->body = "{\"membership\":\"ban\"}";
	expect_fix(f, EX_UNAVAILABLE, "the bot is banned from the room", "lift the ban");
	member->body = JOINED;
	levels = call(f, STATE("dev", "m.room.power_levels/"));
	levels->body = "{\"events_default\":50}";
	expect_fix(f, EX_UNAVAILABLE, "its power level is 0, 50 is needed", "the power level 50");
	levels->code = ERR_SERVER;
	levels->body = NULL;
	expect(f, EX_TEMPFAIL, "✗ room dev          #dev:e: homeserver error");
	levels->code = OK;
	levels->body = "{}";
	other = call(f, STATE("dev", "m.room.encryption/"));
	other->body = "{\"algorithm\":\"m.megolm.v1.aes-sha2\"}";
	levels->body = "{\"users\":{\"@bot:e\":100}}";
	expect(f, EX_OK, "#dev:e: joined, may write, encrypted");
	levels->body = "{}";
	other->code = ERR_NOT_FOUND;
	other->body = NULL;
	other = call(f, STATE("dev", "m.room.tombstone/"));
	other->body = "{\"replacement_room\":\"!new:e\"}";
	expect(f, EX_OK, "! room dev          #dev:e: was replaced by !new:e");
}

static void make_database(struct fixture *f, const char *device)
{
	struct store *store;

	assert_int_equal(store_open(&store, f->database, NULL), OK);
	assert_int_equal(store_begin(store), OK);
	assert_int_equal(state_set(store, "device_id", device), OK);
	assert_int_equal(store_commit(store), OK);
	store_close(store);
}

static void test_databases(void **state)
{
	struct fixture *f = *state;
	sqlite3 *db;

	make_database(f, "DEV");
	expect(f, EX_OK, "✓ device            DEV, as in the database");
	assert_non_null(strstr(f->report, "✓ queue             0 waiting, none undeliverable"));
	assert_int_equal(chmod(f->database, 0644), 0);
	expect_fix(f, EX_OK, "accessible by other users", "chmod 600");
	assert_int_equal(chmod(f->database, 0600), 0);
	unlink(f->database);
	make_database(f, "OLD");
	expect_fix(f, EX_CONFIG, "the token belongs to device DEV, the database to device OLD",
	        "--accept-new-device");
	assert_int_equal(sqlite3_open(f->database, &db), SQLITE_OK);
	assert_int_equal(
	        sqlite3_exec(db, "PRAGMA user_version = 999", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	expect(f, EX_CONFIG, "✗ database");
	write_text(
	        f->database, "this is no database at all, but long enough to be looked at", 0600);
	expect(f, EX_CONFIG, "✗ database");
	unlink(f->database);
	write_config(f, "[storage]\nspool = /nonexistent/a/spool\n");
	expect_fix(f, EX_CONFIG, "✗ spool             /nonexistent/a: no such folder", "mkdir -p");
}

static void test_spools(void **state)
{
	struct fixture *f = *state;
	char path[128];

	assert_int_equal(mkdir(f->spool, 0700), 0);
	snprintf(path, sizeof(path), "%s/1.json", f->spool);
	write_text(path, "{}", 0600);
	expect(f, EX_OK, ": 1 waiting\n");
	snprintf(path, sizeof(path), "%s/2.json.bad", f->spool);
	write_text(path, "{", 0600);
	expect_fix(f, EX_UNAVAILABLE, "1 waiting, 1 rejected (*.bad)", "correct and rename them");
	snprintf(path, sizeof(path), "rm -r %s", f->spool);
	assert_int_equal(system(path), 0);
	write_text(f->spool, "", 0600);
	expect(f, EX_CONFIG, "spool is not a folder");
}

/* A child answers as the daemon would, to one client that asks, after one that only connects. */
static void expect_daemon(
        struct fixture *f, int fd, const char *answer, int wanted, const char *text)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		char request[256];
		int client, served = 0;

		while (!served && (client = accept(fd, NULL, NULL)) >= 0) {
			served = read(client, request, sizeof(request)) > 0 &&
			         write(client, answer, strlen(answer)) > 0;
			close(client);
		}
		_exit(0);
	}
	expect(f, wanted, text);
	assert_int_equal(waitpid(child, &status, 0), child);
}

static void test_files_of_the_config(void **state)
{
	struct fixture *f = *state;
	char path[512];

	write_text(f->config,
	        "[matrix]\nhomeserver = example.org\nuser = @bot:e\ntoken_file = token\n"
	        "ca_file = none.pem\nproxy = http://me:s3cret@proxy.example:3128\n"
	        "[rooms]\nops = #ops:e\ndev = #dev:e\n"
	        "[storage]\ndatabase = operations.db\n[socket]\npath = socket\n",
	        0600);
	expect_fix(f, EX_CONFIG, "none.pem: No such file", "correct ca_file");
	/* the password of the proxy is "s3cret" too: run() looks that it is not shown */
	assert_non_null(strstr(f->report, "through the proxy http://proxy.example:3128"));
	fake_ask.open = ERR_NET; /* who looks for the reason needs it most */
	expect(f, EX_CONFIG, "no way to example.org, through the proxy http://proxy.example:3128");
	fake_ask.open = OK;
	write_config(
	        f, "[meta]\nhomeserver = e\nuser = @w:e\ntoken_file = token\nca_file = m.pem\n");
	expect_fix(f, EX_CONFIG, "m.pem: No such file", "correct [meta] ca_file");
	write_config(f, "[http]\ntokens = tokens\n");
	expect_fix(f, EX_CONFIG, "tokens: No such file", "correct [http] tokens");
	snprintf(path, sizeof(path), "%s/tokens", f->folder);
	write_text(path, "ci send t0ken\n", 0644);
	expect_fix(f, EX_CONFIG, "is accessible by other users", "run: chmod 640");
	assert_int_equal(chmod(path, 0640), 0);
	expect(f, EX_OK, "");
	write_text(path, "ci everything t0ken\n", 0640);
	expect(f, EX_CONFIG, "tokens:1: a line is NAME RIGHTS TOKEN");
	write_text(path, "ci send t0ken\n", 0640);
	expect(f, EX_OK, "");
	assert_null(strstr(f->report, "[http] tokens"));
	write_config(f, "[http]\ntoken_file = none\n");
	expect(f, EX_CONFIG, "[http] token_file");
	write_config(f, "");
	assert_int_equal(setenv("https_proxy", "http://env.example:3128", 1), 0);
	expect(f, EX_OK, "through the proxy http://env.example:3128");
	assert_int_equal(unsetenv("https_proxy"), 0);
}

/* Nobody needs [matrix] invite_from for a configured room; it only makes it quick. */
static void test_the_way_into_a_room(void **state)
{
	struct fixture *f = *state;

	call(f, MEMBER("dev"))->code = ERR_DENIED;
	call(f, MEMBER("dev"))->body = NULL;
	expect_fix(f, EX_UNAVAILABLE, "the bot is not in the room",
	        "invite @bot:e: the daemon joins within 5 minutes, at once where");
}

static void test_a_message_is_undeliverable(void **state)
{
	struct fixture *f = *state;
	struct outbox_row row = {.purpose = OUTBOX_NOTE,
	        .room = (char *)"ops",
	        .type = (char *)"m.room.message",
	        .created_ms = 1};
	struct store *store;

	make_database(f, "DEV");
	assert_int_equal(store_open(&store, f->database, NULL), OK);
	assert_int_equal(store_begin(store), OK);
	assert_int_equal(outbox_name(store, &row), OK);
	assert_int_equal(outbox_insert(store, &row), OK);
	row.state = OUTBOX_UNDELIVERABLE;
	assert_int_equal(outbox_update(store, &row), OK);
	free(row.txn_id);
	assert_int_equal(store_commit(store), OK);
	store_close(store);
	expect_fix(f, EX_UNAVAILABLE, "✗ queue             0 waiting, 1 undeliverable",
	        "`discard NUMBER` discards one");
}

static void test_an_older_database_is_no_fault(void **state)
{
	struct fixture *f = *state;
	struct fault fault = {0};
	struct store *store;
	sqlite3 *db;

	assert_int_equal(store_open(&store, f->database, &fault), OK);
	store_close(store);
	assert_int_equal(sqlite3_open(f->database, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 3", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	expect(f, EX_OK, "schema 3, this program needs");
	assert_non_null(strstr(f->report, "upgraded on next start"));
}

/* Runs it as root in a child whose rights do not come back: all of these are in the report. The
 * config's folder belongs to nobody, who is the daemon's user then. */
static void expect_of_nobody(struct fixture *f, int wanted, const char *const *texts)
{
	const struct passwd *nobody = getpwnam("nobody");
	const gid_t roots = 0;
	pid_t child;
	int status;

	assert_non_null(nobody);
	assert_int_equal(chown(f->folder, nobody->pw_uid, nobody->pw_gid), 0);
	child = fork();
	if (child == 0) {
		bool good = setgroups(1, &roots) == 0 && run(f, false) == wanted;

		for (size_t i = 0; texts[i]; i++)
			good = good && strstr(f->report, texts[i]);
		if (!good)
			fprintf(stderr, "%s", f->report);
		_exit(good ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* Root looks with the eyes of the owner of the database's folder. */
static void test_root_sees_what_the_daemons_user_sees(void **state)
{
	static const char *const foreign[] = {"checking as nobody", "✗ config  ",
	        "bot.conf: nobody: Permission denied", "chgrp nobody", "✗ access token",
	        "make the file belong to nobody, with mode 600", "✗ database",
	        "operations.db: nobody may not write there", "→ run: chown nobody ", "✗ spool",
	        "group root: the daemon's user is not a member", NULL};
	struct fixture *f = *state;

	if (geteuid() != 0) {
		skip();
		return;
	}
	write_config(f, "group = root\n");
	make_database(f, "DEV");
	assert_int_equal(mkdir(f->spool, 0700), 0);
	expect_of_nobody(f, EX_CONFIG, foreign);
}

/* What may belong to the system is not given away. */
static void test_a_folder_of_somebody_else(void **state)
{
	static const char *const theirs[] = {"/etc: nobody may not write there",
	        "→ give nobody a folder of its own, such as /var/lib/matrix-telemetry-bot", NULL};
	const struct passwd *nobody = getpwnam("nobody");
	struct fixture *f = *state;

	if (geteuid() != 0 || !nobody) {
		skip();
		return;
	}
	write_config(f, "[storage]\nspool = /etc/spool\n");
	assert_int_equal(chown(f->config, nobody->pw_uid, nobody->pw_gid), 0);
	assert_int_equal(chown(f->token, nobody->pw_uid, nobody->pw_gid), 0);
	expect_of_nobody(f, EX_CONFIG, theirs);
}

static void test_rooms_are_not_skipped_without_a_word(void **state)
{
	struct fixture *f = *state;

	unlink(f->token);
	expect(f, EX_CONFIG, "! rooms             not checked");
}

static void test_sockets(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	write_text(f->socket, "", 0600);
	expect_fix(f, EX_CONFIG, "exists, but is not a socket", "remove it");
	unlink(f->socket);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", f->socket);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	expect(f, EX_OK, "socket: no daemon is listening");
	assert_int_equal(listen(fd, 8), 0);
	expect_daemon(f, fd, "{\"ok\":true,\"problems\":[]}\n", EX_OK, "running, and all is well");
	expect_daemon(f, fd,
	        "{\"ok\":true,\"problems\":[{\"cause\":\"undeliverable\",\"text\":\"2 "
	        "undeliverable\","
	        "\"fix\":\"retry sends them again\"}]}\n",
	        EX_UNAVAILABLE, "✗ daemon            2 undeliverable");
	/* a room that is well now, and is not to the daemon */
	expect_daemon(f, fd,
	        "{\"ok\":true,\"problems\":[{\"cause\":\"room\",\"text\":\"room dev: "
	        "refused\","
	        "\"fix\":\"f\"}]}\n",
	        EX_UNAVAILABLE, "✗ daemon            room dev: refused");
	/* what was found already is not told twice */
	call(f, MEMBER("dev"))->body = "{\"membership\":\"leave\"}";
	expect_daemon(f, fd,
	        "{\"ok\":true,\"problems\":[{\"cause\":\"room\",\"text\":\"room dev, 3 "
	        "waiting: gone\",\"fix\":\"f\"}]}\n",
	        EX_UNAVAILABLE, "\n1 error, 0 warnings\n");
	call(f, MEMBER("dev"))->body = JOINED;
	/* nobody is sent in a circle */
	expect_daemon(f, fd,
	        "{\"ok\":true,\"problems\":[{\"cause\":\"queue\",\"text\":\"1 waiting\","
	        "\"fix\":\"run `matrix-telemetry-bot check` on the host\"}]}\n",
	        EX_UNAVAILABLE, "→ read its log: journalctl -u matrix-telemetry-bot");
	/* it listens, and does not answer */
	expect_fix(f, EX_TEMPFAIL, "socket: a daemon is listening", "journalctl");
	close(fd);
	unlink(f->socket);
	write_config(f, "[socket]\npath = none/socket\n");
	/* a second path is a fault of the config */
	expect(f, EX_CONFIG, "is given twice");
}

static void test_call_monitor(void **state)
{
	struct fixture *f = *state;
	char more[512], path[128];
	sqlite3 *db;

	snprintf(path, sizeof(path), "%s/cm.db", f->folder);
	write_config(f, "[call_monitor]\ndatabase = cm.db\n");
	expect_fix(f, EX_CONFIG, "✗ watch call_monitor violations", "database's path");
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(
	        sqlite3_exec(db, "CREATE TABLE calls (called_at, \"function\")", NULL, NULL, NULL),
	        SQLITE_OK);
	sqlite3_close(db);
	expect_fix(f, EX_CONFIG, "violations  no such table: violations", "violations_sql");
	expect_fix(f, EX_CONFIG, "error_rate  no such column: error", "error_rate_sql");
	snprintf(more, sizeof(more),
	        "[call_monitor]\ndatabase = cm.db\ncalls_table = calls\ncalls_columns = %s\n"
	        "violations_sql = off\nerror_rate_sql = off\n",
	        "at=called_at, what=function");
	write_config(f, more);
	expect(f, EX_OK, "cm.db, table calls");
	write_config(f, "[call_monitor]\ndatabase = cm.db\ncalls_table = calls\n");
	expect_fix(f, EX_CONFIG, "no such column: t.at", "calls_columns");
	write_config(f, "[call_monitor]\ndatabase = cm.db\ncalls_table = none\n");
	expect(f, EX_CONFIG, "no such table: none");
}

static void test_watches(void **state)
{
	static const struct {
		const char *sql;
		int code;
		const char *found, *fix;
	} table[] = {
	        {"SELECT name, stock FROM goods", EX_OK, "✓ watch stock", NULL},
	        {"SELECT name FROM goods", EX_OK, "1 row now", NULL},
	        {"SELECT name FROM good", EX_CONFIG, "no such table: good", "adapt the query"},
	        {"DELETE FROM goods", EX_CONFIG, "only a SELECT", "one SELECT"},
	        {"SELECT 'no app!' AS app FROM goods", EX_CONFIG, "row 1: app: reduced to noapp",
	                "adapt"},
	        {"WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c",
	                EX_OK, "over 100 rows", "LIMIT"},
	};
	struct fixture *f = *state;
	char more[512], path[128];
	sqlite3 *db;

	snprintf(path, sizeof(path), "%s/shop.db", f->folder);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db,
	                         "CREATE TABLE goods (name, stock);"
	                         "INSERT INTO goods VALUES ('apple', 3)",
	                         NULL, NULL, NULL),
	        SQLITE_OK);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		snprintf(more, sizeof(more), "[watch stock]\ndatabase = shop.db\nsql = %s\n",
		        table[i].sql);
		write_config(f, more);
		if (table[i].fix)
			expect_fix(f, table[i].code, table[i].found, table[i].fix);
		else
			expect(f, table[i].code, table[i].found);
	}
	write_config(f, "[watch stock]\ndatabase = shop.db\nsql = SELECT 1 FROM goods\n");
	assert_int_equal(sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
	expect(f, EX_TEMPFAIL, "is locked");
	sqlite3_close(db);
}

static void test_meta(void **state)
{
	struct fixture *f = *state;

	write_config(f, "[meta]\nexec = no-such-program 'a b'\n");
	expect_fix(f, EX_CONFIG, "✗ [meta] exec", "its first word is a file");
	write_config(f, "[meta]\nexec = /etc/passwd\n");
	expect(f, EX_CONFIG, "/etc/passwd: Permission denied");
	write_config(f, "[meta]\nexec = cat -\n");
	expect(f, EX_OK, "✓ [meta] exec");
	write_config(f, "[meta]\nhomeserver = e\nuser = @w:e\ntoken_file = w-token\n");
	expect_fix(f, EX_CONFIG, "✗ [meta] account", "store an access token of @w:e");
	write_config(f, "[meta]\nhomeserver = e\nuser = @w:e\ntoken_file = token\n");
	expect(f, EX_OK, "✓ [meta] account");
}

static void test_the_gravest_decides(void **state)
{
	struct fixture *f = *state;

	call(f, MEMBER("dev"))->code = ERR_SERVER;
	call(f, MEMBER("dev"))->body = NULL;
	assert_int_equal(run(f, false), EX_TEMPFAIL);
	fake_ask.skew_ms = 600000;
	assert_int_equal(run(f, false), EX_UNAVAILABLE);
	write_text(f->spool, "", 0600);
	assert_int_equal(run(f, false), EX_CONFIG);
	assert_non_null(strstr(f->report, "\n3 errors, 1 warning\n"));
}

/* What a homeserver says cannot write on the terminal. */
static void test_hostile_answers_are_neutral(void **state)
{
	struct fixture *f = *state;

	call(f, "/v3/account/whoami")->body =
	        "{\"user_id\":\"@x\\u001b[2J\\n\\u202ey:e\",\"device_id\":\"D\"}";
	expect(f, EX_CONFIG, "the token belongs to @x");
	assert_null(strchr(f->report, '\033'));
	assert_null(strstr(f->report, "\xE2\x80\xAE"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_all_well, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_a_device_with_keys_of_others, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_json, setup, teardown),
	        cmocka_unit_test_setup_teardown(
	                test_a_bad_config_is_told_line_by_line, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_tokens, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_accounts, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_no_homeserver, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_clocks, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_rooms, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_databases, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_spools, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_sockets, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_files_of_the_config, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_the_way_into_a_room, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_a_message_is_undeliverable, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_a_folder_of_somebody_else, setup, teardown),
	        cmocka_unit_test_setup_teardown(
	                test_an_older_database_is_no_fault, setup, teardown),
	        cmocka_unit_test_setup_teardown(
	                test_root_sees_what_the_daemons_user_sees, setup, teardown),
	        cmocka_unit_test_setup_teardown(
	                test_rooms_are_not_skipped_without_a_word, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_call_monitor, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_watches, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_meta, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_the_gravest_decides, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_hostile_answers_are_neutral, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

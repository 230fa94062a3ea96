/*
 * test_commands.c - the subcommands that ask a daemon: arguments, output, exit status. The
 * daemon is a child process with the real server in it, which answers by a script.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>
#include "bot/command_line/command_line.h"
#include "bot/intake/server.h"

#define LEN(array) (sizeof(array) / sizeof(*(array)))
#define ARGS_MAX 6

static const char config_text[] = "[matrix]\nhomeserver = example.org\nuser = @b:example.org\n"
                                  "[rooms]\nops = #o:example.org\ndev = #d:example.org\n"
                                  "[socket]\npath = sock\n[storage]\nspool = spool\n";

struct fixture {
	char folder[64], config[96], socket[96], out[96];
	pid_t daemon; /* 0 = none */
};

/* Answers with the request as its text, so that the test sees what was asked. */
static void on_request(
        const json_t *request, const struct alert_peer *peer, struct reply *reply, void *arg)
{
	const char *op = json_string_value(json_object_get(request, "op"));
	const char *app = json_string_value(json_object_get(request, "app"));

	if (strcmp(op, "alert") == 0 && strcmp(app, "dag_engine") == 0) {
		reply_error(reply, "invalid", "app", "no dags here", false);
	} else if (strcmp(op, "alert") == 0) {
		reply_ok(reply, json_pack("{s:i}", "alert", 7));
	} else if (strcmp(op, "wait") == 0) {
		reply_ok(reply, json_pack("{s:s}", "text", "in the room\n"));
	} else if (strcmp(op, "silences") == 0 || strcmp(op, "unacked") == 0) {
		reply_ok(reply, json_pack("{s:s, s:[{s:s, s:s, s:s}]}", "text", "t", "problems",
		                        "cause", *op == 's' ? "watch" : "room", "text", "it fails",
		                        "fix", "mend it"));
	} else if (strcmp(op, "oncall") == 0) { /* with what a terminal would obey */
		reply_ok(reply, json_pack("{s:s}", "text", "\x1b[31mred\n"));
	} else if (strcmp(op, "metrics") == 0) {
		reply_error(reply, "busy", NULL, "later", true);
	} else {
		char *text = json_dumps(request, JSON_COMPACT | JSON_SORT_KEYS);
		reply_ok(reply, json_pack("{s:s}", "text", text));
		free(text);
	}
}

static void run_daemon(struct fixture *f, int ready)
{
	const struct server_events events = {.on_request = on_request};
	struct config config = {
	        .socket = {.path = f->socket, .mode = 0600, .max_clients = 8},
	};
	struct server *server;
	struct fault fault;
	uv_loop_t loop;

	uv_loop_init(&loop);
	if (server_create(&server, &loop, &config, &events, &fault) == OK &&
	        write(ready, "r", 1) == 1)
		uv_run(&loop, UV_RUN_DEFAULT);
	_exit(0);
}

static void start_daemon(struct fixture *f)
{
	int ready[2];
	char byte;

	assert_int_equal(pipe(ready), 0);
	f->daemon = fork();
	if (f->daemon == 0)
		run_daemon(f, ready[1]);
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	signal(SIGPIPE, SIG_IGN);
	assert_non_null(freopen("/dev/null", "r", stdin)); /* no terminal */
	strcpy(f->folder, "/tmp/test_commands.XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->config, sizeof(f->config), "%s/bot.conf", f->folder);
	snprintf(f->socket, sizeof(f->socket), "%s/sock", f->folder);
	snprintf(f->out, sizeof(f->out), "%s/out", f->folder);
	FILE *file = fopen(f->config, "w");
	fputs(config_text, file);
	fclose(file);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	if (f->daemon) {
		kill(f->daemon, SIGKILL);
		waitpid(f->daemon, NULL, 0);
	}
	snprintf(command, sizeof(command), "rm -r %s", f->folder);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

static json_t *words_of(const char *const *args)
{
	json_t *words = json_array();

	for (; *args; args++)
		if (json_array_append_new(words, json_string(*args)) != 0) {
			json_decref(words);
			return NULL;
		}
	return words;
}

/* Runs a command and keeps what it prints in out. */
static int run_as(struct fixture *f, const struct command_line *how, const char *const *args,
        char *out, size_t size)
{
	json_t *words = words_of(args + 1);
	struct command_line line = *how;
	int old = dup(STDOUT_FILENO), status;
	FILE *file;

	line.config = f->config;
	line.words = words;
	fflush(stdout);
	assert_non_null(freopen(f->out, "w", stdout));
	status = client_command(command_find(args[0], COMMAND_LINE), &line);
	fflush(stdout);
	dup2(old, STDOUT_FILENO);
	close(old);
	file = fopen(f->out, "r");
	out[fread(out, 1, size - 1, file)] = '\0';
	fclose(file);
	json_decref(words);
	return status;
}

static int run(struct fixture *f, bool json, const char *const *args, char *out, size_t size)
{
	return run_as(f, &(struct command_line){.json = json}, args, out, size);
}

/* An argument may be somebody else's text, and the terminal would obey it. */
static void errors_have_no_control_characters(void **state)
{
	struct fixture *f = *state;
	int old = dup(STDERR_FILENO);
	char out[256];
	FILE *file;

	assert_non_null(freopen(f->out, "w", stderr));
	assert_int_equal(
	        client_fail(EX_USAGE, false, "unknown command %s", "\x1b[2Jstatus"), EX_USAGE);
	fflush(stderr);
	dup2(old, STDERR_FILENO);
	close(old);
	file = fopen(f->out, "r");
	out[fread(out, 1, sizeof(out) - 1, file)] = '\0';
	fclose(file);
	assert_string_equal(out, "matrix-telemetry-bot: unknown command \xEF\xBF\xBD[2Jstatus\n");
}

/* Exit codes as of Nagios' plugins, and silence for cron. */
static void health_has_exit_codes(void **state)
{
	static const struct {
		const char *args[2];
		bool check, quiet;
		int status;
		const char *out;
	} cases[] = {
	        {{"status"}, true, false, 0, "OK: running, 0 unacknowledged\n"},
	        {{"status"}, true, true, 0, ""},
	        {{"status"}, false, true, 0, ""},
	        {{"silences"}, true, true, 1, "WARNING: it fails\n→ mend it\n"},
	        {{"unacked"}, true, false, 2, "CRITICAL: it fails\n→ mend it\n"},
	        {{"unacked"}, false, true, EX_UNAVAILABLE, "t\n"},
	        {{"metrics"}, true, true, 2, "CRITICAL: later\n"},
	};
	const struct command_line check = {.check = true};
	struct fixture *f = *state;
	char out[4096];
	FILE *file;

	assert_int_equal(run_as(f, &check, cases[0].args, out, sizeof(out)), 2);
	assert_int_equal(strncmp(out, "CRITICAL: ", 10), 0); /* no daemon */
	start_daemon(f);
	for (size_t i = 0; i < LEN(cases); i++) {
		const struct command_line line = {.check = cases[i].check, .quiet = cases[i].quiet};

		assert_int_equal(
		        run_as(f, &line, cases[i].args, out, sizeof(out)), cases[i].status);
		assert_string_equal(out, cases[i].out);
	}
	file = fopen(f->config, "a");
	fputs("nonsense = 1\n", file);
	fclose(file);
	assert_int_equal(run_as(f, &check, cases[0].args, out, sizeof(out)), 3);
	assert_int_equal(strncmp(out, "UNKNOWN: ", 9), 0);
}

static void arguments_become_requests(void **state)
{
	static const struct {
		const char *args[ARGS_MAX];
		int status;
		const char *out;
	} cases[] = {
	        {{"status"}, EX_OK, "{\"op\":\"status\"}\n"},
	        {{"alerts"}, EX_OK, "{\"op\":\"alerts\"}\n"},
	        {{"alerts", "5"}, EX_OK, "{\"limit\":5,\"op\":\"alerts\"}\n"},
	        {{"alerts", "a"}, EX_OK, "{\"app\":\"a\",\"op\":\"alerts\"}\n"},
	        {{"alerts", "a", "5"}, EX_OK, "{\"app\":\"a\",\"limit\":5,\"op\":\"alerts\"}\n"},
	        {{"alert", "r-1"}, EX_OK, "{\"op\":\"alerts\",\"run_id\":\"r-1\"}\n"},
	        {{"alert"}, EX_USAGE, ""},
	        {{"retry", "3"}, EX_OK, "{\"id\":3,\"op\":\"retry\"}\n"},
	        {{"wait", "3"}, EX_OK, "in the room\n"},
	        {{"test", "node"}, EX_OK, "node: in the room\n"},
	        {{"test", "dag"}, EX_DATAERR, ""},
	        {{"test", "all"}, EX_DATAERR, "node: in the room\nviolation: in the room\n"},
	        {{"oncall"}, EX_OK, "\xEF\xBF\xBD[31mred\n"},
	        {{"metrics"}, EX_TEMPFAIL, ""},
	        {{"status", "x"}, EX_USAGE, ""},
	        {{"alerts", "a", "b"}, EX_USAGE, ""},
	        {{"alerts", "\xff"}, EX_USAGE, ""},
	        {{"retry", "x"}, EX_USAGE, ""},
	        {{"wait"}, EX_USAGE, ""},
	        {{"test"}, EX_OK, "node: in the room\n"},
	        {{"test", "other"}, EX_USAGE, ""},
	        {{"ack", "nightly run 5", "on", "it"}, EX_OK,
	                "{\"op\":\"ack\",\"words\":[\"nightly run 5\",\"on\",\"it\"]}\n"},
	        {{"ack"}, EX_OK, "{\"op\":\"ack\",\"words\":[]}\n"},
	        {{"unack"}, EX_USAGE, ""},
	        {{"ack", "\xff"}, EX_USAGE, ""},
	        {{"unsilence", "3"}, EX_OK, "{\"id\":\"3\",\"op\":\"unsilence\"}\n"},
	        {{"unsilence"}, EX_USAGE, ""},
	        {{"discard", "x"}, EX_USAGE, ""},
	        {{"heartbeat", "stop", "a"}, EX_OK,
	                "{\"action\":\"stop\",\"app\":\"a\",\"op\":\"heartbeat\"}\n"},
	        {{"verify"}, EX_USAGE, ""}, /* nobody is at a terminal */
	        {{"verify", "--yes"}, EX_USAGE, ""},
	        {{"verify", "op"}, EX_USAGE, ""},
	        {{"verify", "@op:x", "@b:x"}, EX_USAGE, ""},
	};
	struct fixture *f = *state;
	char out[4096];

	start_daemon(f);
	for (size_t i = 0; i < LEN(cases); i++) {
		assert_int_equal(run(f, false, cases[i].args, out, sizeof(out)), cases[i].status);
		assert_string_equal(out, cases[i].out);
	}
	const char *const wait[] = {"wait", "1", NULL};
	assert_int_equal(run(f, true, wait, out, sizeof(out)), EX_OK);
	assert_string_equal(out, "{\"ok\":true,\"text\":\"in the room\\n\"}\n");
}

static void what_is_missing_has_its_own_status(void **state)
{
	struct fixture *f = *state;
	const char *const status[] = {"status", NULL};
	char out[4096];

	assert_int_equal(run(f, false, status, out, sizeof(out)), EX_UNAVAILABLE);
	FILE *file = fopen(f->config, "a");
	fputs("nonsense = 1\n", file);
	fclose(file);
	assert_int_equal(run(f, false, status, out, sizeof(out)), EX_CONFIG);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	        T(arguments_become_requests),
	        T(errors_have_no_control_characters),
	        T(health_has_exit_codes),
	        T(what_is_missing_has_its_own_status),
	};
#undef T
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * test_send.c - the command line of matrix-send-message, and the way of its alerts to a daemon
 * that answers, refuses, is busy, dies, or is not there. The daemon is a child process with the
 * real server in it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "bot/client/client_options.h"
#include "bot/client/hand_in.h"
#include "bot/client/send_options.h"
#include "bot/client/socket.h"
#include "bot/base/request.h"
#include "bot/base/synthetic.h"
#include "bot/intake/server.h"

#define LEN(array) (sizeof(array) / sizeof(*(array)))
#define ARGS_MAX 12

/* ---- command line ---- */

static int count_args(const char *const *argv)
{
	int argc = 0;
	while (argv[argc])
		argc++;
	return argc;
}

static void options_read_all_forms(void **state)
{
	static const struct option_row rows[] = {
	        {"config", 'c', "FILE", "x"}, {"json", 0, NULL, "x"}, {0}};
	const char *argv[] = {"p", "--config", "a", "--config=b", "-c", "c", "word", "-", "--json",
	        "--", "--json", NULL};
	static const struct {
		int row;
		const char *value;
	} expected[] = {{0, "a"}, {0, "b"}, {0, "c"}, {OPTIONS_OPERAND, "word"},
	        {OPTIONS_OPERAND, "-"}, {1, NULL}, {OPTIONS_OPERAND, "--json"}};
	struct options options;

	options_init(&options, rows, count_args(argv), (char **)argv);
	for (size_t i = 0; i < LEN(expected); i++) {
		assert_int_equal(options_next(&options), expected[i].row);
		if (expected[i].value)
			assert_string_equal(options.value, expected[i].value);
	}
	assert_int_equal(options_next(&options), OPTIONS_END);
}

static void command_lines_become_alerts(void **state)
{
	static const struct {
		const char *argv[ARGS_MAX];
		const char *alert; /* NULL: usage */
	} cases[] = {
	        {{"p", "disk", "full"}, "{\"app\":\"shell\",\"text\":\"disk full\"}"},
	        {{"p", "--app", "a", "--run-id=r-1", "-k", "node_failed"},
	                "{\"app\":\"a\",\"kind\":\"node_failed\",\"run_id\":\"r-1\"}"},
	        {{"p", "-a", "a", "-f", "n=5", "-f", "d=0.5", "-f", "t=true", "-f", "s=007"},
	                "{\"app\":\"a\",\"fields\":{\"d\":0.5,\"n\":5,\"s\":\"007\",\"t\":true}}"},
	        {{"p", "-f", "a=null", "-f", "b={}", "-f", "c=x=y", "--string", "d=5"},
	                "{\"app\":\"shell\",\"fields\":{\"a\":\"null\",\"b\":\"{}\",\"c\":\"x=y\","
	                "\"d\":\"5\"}}"},
	        {{"p", "--severity", "critical", "--status", "resolved", "--key", "k"},
	                "{\"app\":\"shell\",\"key\":\"k\",\"severity\":\"critical\",\"status\":"
	                "\"resolved\"}"},
	        {{"p"}, NULL},
	        {{"p", "--severity", "loud"}, "{\"app\":\"shell\",\"severity\":\"loud\"}"},
	        {{"p", "--status", "off"}, "{\"app\":\"shell\",\"status\":\"off\"}"},
	        {{"p", "--field", "novalue"}, NULL},
	        {{"p", "--field", "=v"}, NULL},
	        {{"p", "--field"}, NULL},
	        {{"p", "--nonsense"}, NULL},
	        {{"p", "--wait=yes", "x"}, NULL},
	        {{"p", "--timeout", "soon", "x"}, NULL},
	        {{"p", "--ndjson", "x"}, NULL},
	        {{"p", "--ndjson", "--wait"}, NULL},
	};

	for (size_t i = 0; i < LEN(cases); i++) {
		struct send_options options;
		struct fault fault = {0};
		char **argv = (char **)cases[i].argv; /* only read */
		enum err err =
		        send_options_parse(&options, count_args(cases[i].argv), argv, &fault);
		if (cases[i].alert) {
			assert_int_equal(err, OK);
			char *text = json_dumps(options.alert, JSON_COMPACT | JSON_SORT_KEYS);
			assert_string_equal(text, cases[i].alert);
			free(text);
		} else {
			assert_int_equal(err, ERR_INVALID);
			assert_true(fault.text[0] != '\0');
		}
		send_options_finish(&options);
	}
}

static void arguments_that_are_no_text_are_mended(void **state)
{
	const char *argv[] = {"p", "-a", "a", "caf\xe9", "--string", "k\xff=v\xff", NULL};
	struct send_options options;
	struct fault fault;
	const char *name, *text, *value;

	assert_int_equal(send_options_parse(&options, count_args(argv), (char **)argv, &fault), OK);
	assert_int_equal(json_unpack(options.alert, "{s:s, s:{s:s}}", "text", &text, "fields",
	                         "k\xEF\xBF\xBD", &value),
	        0);
	assert_string_equal(text, "caf\xEF\xBF\xBD");
	assert_string_equal(value, "v\xEF\xBF\xBD");
	assert_int_equal(json_array_size(request_notes(options.alert)), 3);
	assert_int_equal(json_unpack(json_array_get(request_notes(options.alert), 2), "{s:s}",
	                         "field", &name),
	        0);
	assert_string_equal(name, "text");
	send_options_finish(&options);
}

/* Standard input is any bytes, up to its end. */
static void what_is_read_as_text_is_mended(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *text;
		size_t notes;
	} cases[] = {
	        {"disk full\n", 10, "disk full", 0},
	        {"", 0, "", 0},
	        {"\0\0ERROR: journal\n", 17,
	                "\xEF\xBF\xBD\xEF\xBF\xBD"
	                "ERROR: journal",
	                1},
	        {"bad\0byte", 8,
	                "bad\xEF\xBF\xBD"
	                "byte",
	                1},
	        {"a\nb\0", 4, "a\nb\xEF\xBF\xBD", 1},
	        {"caf\xe9", 4, "caf\xEF\xBF\xBD", 1},
	};

	for (size_t i = 0; i < LEN(cases); i++) {
		json_t *alert = json_pack("{s:s}", "app", "a");
		int ends[2];

		assert_int_equal(pipe(ends), 0);
		assert_int_equal(write(ends[1], cases[i].bytes, cases[i].len), cases[i].len);
		close(ends[1]);
		send_read_text(alert, ends[0]);
		close(ends[0]);
		assert_string_equal(
		        json_string_value(json_object_get(alert, "text")), cases[i].text);
		assert_int_equal(json_array_size(request_notes(alert)), cases[i].notes);
		json_decref(alert);
	}
}

static void what_is_too_large_is_cut_to_fit(void **state)
{
	char *text = malloc(200001);
	json_t *alert = json_pack("{s:s}", "app", "a"), *fields = json_object();
	char name[16];

	memset(text, '\x01', 200000); /* six bytes each, once escaped */
	text[200000] = '\0';
	json_object_set_new(alert, "text", json_string(text));
	json_object_set_new(alert, "fields", json_pack("{s:s}", "log", text));
	send_prepare(alert);
	assert_true(json_dumpb(alert, NULL, 0, JSON_COMPACT) <= REQUEST_MAX);
	assert_true(json_dumpb(alert, NULL, 0, JSON_COMPACT) > REQUEST_MAX / 2);
	assert_non_null(json_object_get(alert, "id"));
	assert_true(json_array_size(request_notes(alert)) >= 2);
	for (int i = 0; i < 9000; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		json_object_set_new(fields, name, json_integer(i));
	}
	json_object_set_new(alert, "fields", fields);
	json_object_set_new(alert, "title", json_string("kept"));
	send_prepare(alert);
	assert_true(json_dumpb(alert, NULL, 0, JSON_COMPACT) <= REQUEST_MAX);
	assert_string_equal(json_string_value(json_object_get(alert, "title")), "kept");
	json_decref(alert);
	free(text);
}

static void other_options_are_read(void **state)
{
	const char *argv[] = {"p", "-c", "f", "--socket", "s", "--spool", "d", "--timeout", "5s",
	        "-w", "--json", "x", NULL};
	struct send_options options;
	struct fault fault;

	assert_int_equal(send_options_parse(&options, count_args(argv), (char **)argv, &fault), OK);
	assert_string_equal(options.config, "f");
	assert_string_equal(options.socket, "s");
	assert_string_equal(options.spool, "d");
	assert_int_equal(options.timeout_ms, 5000);
	assert_true(options.wait && options.json && !options.ndjson);
	send_options_finish(&options);
}

static void synthetic_alerts_are_of_a_run_of_their_own(void **state)
{
	const char *name;

	for (size_t i = 0; (name = synthetic_name(i)); i++) {
		json_t *one = synthetic_alert(name);
		json_t *two = synthetic_alert(name);
		assert_non_null(one);
		assert_int_equal(
		        strncmp(json_string_value(json_object_get(one, "run_id")), "test-", 5), 0);
		assert_string_not_equal(json_string_value(json_object_get(one, "run_id")),
		        json_string_value(json_object_get(two, "run_id")));
		assert_true(synthetic_known(name));
		json_decref(one);
		json_decref(two);
	}
	assert_true(synthetic_known("all"));
	assert_false(synthetic_known("none"));
}

/* ---- the daemon ---- */

struct fixture {
	char folder[64], socket[96], spool[96];
	struct send send;
	pid_t daemon; /* 0 = none */
};

static void on_request(
        const json_t *request, const struct alert_peer *peer, struct reply *reply, void *arg)
{
	const char *app = json_string_value(json_object_get(request, "app"));
	const char *op = json_string_value(json_object_get(request, "op"));

	if (strcmp(op, "wait") == 0)
		reply_ok(reply, json_pack("{s:s, s:i}", "event_id", "$e", "latency_ms", 5));
	else if (strcmp(app, "dies") == 0)
		_exit(0);
	else if (strcmp(app, "busy") == 0)
		reply_error(reply, "full", NULL, "disk full", true);
	else if (strcmp(app, "bad") == 0)
		reply_error(reply, "invalid", "app", "no", false);
	else if (strcmp(app, "held") == 0)
		reply_ok(reply, json_pack("{s:i, s:s}", "alert", 7, "state", "silenced"));
	else if (strcmp(app, "mute") != 0)
		reply_ok(reply, json_pack("{s:i, s:s}", "alert", 7, "state", "queued"));
}

static void run_daemon(struct fixture *f, int ready)
{
	const struct server_events events = {.on_request = on_request};
	struct config config = {
	        .socket = {.path = f->socket, .mode = 0600, .max_clients = 2},
	};
	struct server *server;
	struct fault fault;
	uv_loop_t loop;

	uv_loop_init(&loop);
	if (server_create(&server, &loop, &config, &events, &fault) != OK)
		_exit(1);
	if (write(ready, "r", 1) == 1)
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
	strcpy(f->folder, "/tmp/test_send.XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->socket, sizeof(f->socket), "%s/sock", f->folder);
	snprintf(f->spool, sizeof(f->spool), "%s/spool", f->folder);
	f->send = (struct send){.socket = f->socket, .spool = f->spool, .timeout_ms = 10000};
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

static unsigned spooled(const struct fixture *f)
{
	unsigned count = 0;
	DIR *dir = opendir(f->spool);

	for (const struct dirent *e; dir && (e = readdir(dir));)
		count += e->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return count;
}

static enum send_result hand_in(struct fixture *f, const char *app, bool wait, bool *waited)
{
	json_t *alert = json_pack("{s:s}", "app", app);
	json_t *answer, *wait_answer;
	struct fault fault;

	send_prepare(alert);
	assert_int_equal(strlen(json_string_value(json_object_get(alert, "id"))), 32);
	enum send_result result = send_one(&f->send, alert, wait, &answer, &wait_answer, &fault);
	*waited = wait_answer;
	json_decref(alert);
	json_decref(answer);
	json_decref(wait_answer);
	return result;
}

static void one_alert_is_taken_refused_or_spooled(void **state)
{
	struct fixture *f = *state;
	bool waited;

	assert_int_equal(hand_in(f, "a", false, &waited), SEND_SPOOLED);
	assert_int_equal(hand_in(f, "", false, &waited), SEND_REFUSED);
	assert_int_equal(spooled(f), 1);
	start_daemon(f);
	assert_int_equal(hand_in(f, "a", true, &waited), SEND_TAKEN);
	assert_true(waited);
	assert_int_equal(hand_in(f, "held", true, &waited), SEND_TAKEN);
	assert_false(waited); /* it will not come */
	assert_int_equal(hand_in(f, "bad", true, &waited), SEND_REFUSED);
	assert_false(waited);
	assert_int_equal(spooled(f), 1);
	assert_int_equal(hand_in(f, "busy", false, &waited), SEND_SPOOLED);
	f->send.timeout_ms = 50;
	assert_int_equal(hand_in(f, "mute", false, &waited), SEND_SPOOLED);
	f->send.timeout_ms = 10000;
	assert_int_equal(hand_in(f, "dies", false, &waited), SEND_SPOOLED);
	assert_int_equal(spooled(f), 4);
	f->send.spool = NULL;
	assert_int_equal(hand_in(f, "a", false, &waited), SEND_FAILED);
	f->send.spool = "/proc/nowhere";
	assert_int_equal(hand_in(f, "a", false, &waited), SEND_FAILED);
}

static void a_full_house_spools(void **state)
{
	struct fixture *f = *state;
	struct client *clients[2];
	struct fault fault;
	bool waited;

	start_daemon(f);
	for (int i = 0; i < 2; i++)
		assert_int_equal(client_open(&clients[i], f->socket, 10000, &fault), OK);
	assert_int_equal(hand_in(f, "a", false, &waited), SEND_SPOOLED);
	for (int i = 0; i < 2; i++)
		client_close(clients[i]);
}

/* Feeds the text to send_lines() with standard output kept in a file. */
static void feed(
        struct fixture *f, const char *text, struct send_counts *counts, char *out, size_t out_size)
{
	char path[128];
	FILE *in = tmpfile();
	int old = dup(STDOUT_FILENO);

	fputs(text, in);
	fflush(in);
	rewind(in);
	snprintf(path, sizeof(path), "%s/out", f->folder);
	fflush(stdout);
	assert_non_null(freopen(path, "w", stdout));
	send_lines(&f->send, fileno(in), counts);
	fflush(stdout);
	dup2(old, STDOUT_FILENO);
	close(old);
	fclose(in);

	FILE *file = fopen(path, "r");
	out[fread(out, 1, out_size - 1, file)] = '\0';
	fclose(file);
}

static void many_lines_have_one_answer_each_in_order(void **state)
{
	struct fixture *f = *state;
	static char text[1400000], out[200000];
	struct send_counts counts;
	size_t len = 0;

	start_daemon(f);
	for (int i = 0; i < 1000; i++)
		len += (size_t)sprintf(text + len, "{\"app\":\"a\"}\n");
	len += (size_t)sprintf(text + len, "nonsense\n\n{\"app\":\"bad\"}\n[1]\n");
	memset(text + len, 'x', 1100000);
	strcpy(text + len + 1100000, "\n{\"op\":\"status\"}\n{\"app\":\"busy\"}\n{\"app\":\"a\"}");
	feed(f, text, &counts, out, sizeof(out));
	assert_int_equal(counts.taken, 1001);
	assert_int_equal(counts.refused, 5);
	assert_int_equal(counts.spooled, 1);
	assert_int_equal(counts.failed, 0);
	const char *tail = strstr(out, "\"json\"");
	assert_non_null(tail);
	assert_non_null(tail = strstr(tail, "\"field\":\"app\""));
	assert_non_null(tail = strstr(tail, "\"json\""));
	assert_non_null(tail = strstr(tail, "\"too_large\""));
	assert_non_null(tail = strstr(tail, "op must be alert"));
	assert_non_null(tail = strstr(tail, "\"spooled\""));
	assert_non_null(strstr(tail, "\"queued\""));
}

static void a_daemon_that_dies_loses_no_line(void **state)
{
	struct fixture *f = *state;
	static char text[100000], out[100000];
	struct send_counts counts;
	size_t len = 0;

	start_daemon(f);
	for (int i = 0; i < 600; i++)
		len += (size_t)sprintf(text + len, "{\"app\":\"%s\"}\n", i == 300 ? "dies" : "a");
	feed(f, text, &counts, out, sizeof(out));
	assert_int_equal(counts.taken + counts.spooled, 600);
	assert_true(counts.spooled >= 300);
	assert_int_equal(spooled(f), counts.spooled);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(options_read_all_forms),
	        cmocka_unit_test(command_lines_become_alerts),
	        cmocka_unit_test(arguments_that_are_no_text_are_mended),
	        cmocka_unit_test(what_is_read_as_text_is_mended),
	        cmocka_unit_test(what_is_too_large_is_cut_to_fit),
	        cmocka_unit_test(other_options_are_read),
	        cmocka_unit_test(synthetic_alerts_are_of_a_run_of_their_own),
	        T(one_alert_is_taken_refused_or_spooled),
	        T(a_full_house_spools),
	        T(many_lines_have_one_answer_each_in_order),
	        T(a_daemon_that_dies_loses_no_line),
	};
#undef T
	return cmocka_run_group_tests(tests, NULL, NULL);
}

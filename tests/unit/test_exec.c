/*
 * What is told about a command that ran, and how a command runs: its output byte for byte, its
 * signals, and the end of what it wrote.
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
#include <unistd.h>
#include "bot/client/exec_report.h"
#include "bot/client/send_options.h"

#define AT_MS INT64_C(1795683600000) /* 2026-11-26T09:00:00Z */

static char *const backup[] = {(char *)"/usr/local/bin/backup", (char *)"--full", NULL};

static json_t *describe(const char *alert, int wait_status, const char *tail, bool cut)
{
	struct exec_outcome outcome = {.wait_status = wait_status, .duration_ms = 5321, .cut = cut};
	json_t *object = json_loads(alert, 0, NULL);

	assert_non_null(object);
	outcome.tail_len = strlen(tail);
	memcpy(outcome.tail, tail, outcome.tail_len);
	exec_describe(object, backup, &outcome, AT_MS);
	return object;
}

static void assert_text(const json_t *alert, const char *name, const char *expected)
{
	assert_string_equal(json_string_value(json_object_get(alert, name)), expected);
}

static void test_a_failure_says_how_it_ended(void **state)
{
	json_t *alert = describe("{\"app\":\"etl\"}", 3 << 8, "line 1\nno space left\n\n", false);

	assert_text(alert, "status", "firing");
	assert_text(alert, "kind", "command_failed");
	assert_text(alert, "title", "backup");
	assert_text(json_object_get(alert, "fields"), "duration", "5.3 s");
	assert_text(alert, "at", "2026-11-26T09:00:00.000Z");
	assert_text(alert, "text", "exit 3\nline 1\nno space left");
	assert_int_equal(
	        json_integer_value(json_object_get(json_object_get(alert, "fields"), "exit_code")),
	        3);
	json_decref(alert);
	alert = describe("{\"app\":\"etl\"}", SIGKILL, "", false);
	assert_text(alert, "text", "killed by SIGKILL");
	json_decref(alert);
	alert = describe("{\"app\":\"etl\"}", SIGSEGV | 0x80, "", false);
	assert_text(alert, "text", "killed by SIGSEGV (core dumped)");
	json_decref(alert);
}

static void test_a_success_resolves_the_same(void **state)
{
	json_t *alert = describe("{\"title\":\"nightly\"}", 0, "all well\n", false);

	assert_text(alert, "status", "resolved");
	assert_text(alert, "title", "nightly");
	assert_null(json_object_get(alert, "text"));
	json_decref(alert);
	alert = describe("{\"title\":\"nightly\"}", 1 << 8, "", false);
	assert_text(alert, "title", "nightly");
	json_decref(alert);
}

static void test_what_was_said_stays(void **state)
{
	json_t *alert = describe("{\"key\":\"k\",\"kind\":\"own\",\"severity\":\"info\",\"fields\":"
	                         "{\"exit_code\":\"x\"}}",
	        1 << 8, "", false);

	assert_text(alert, "key", "k");
	assert_text(alert, "kind", "own");
	assert_text(alert, "severity", "info");
	assert_text(json_object_get(alert, "fields"), "exit_code", "x");
	json_decref(alert);
}

static void test_the_end_of_long_output(void **state)
{
	char tail[EXEC_TAIL_MAX] = "";
	json_t *alert;

	for (int i = 0; i < 40; i++)
		sprintf(tail + strlen(tail), "line %d\n", i);
	alert = describe("{}", 1 << 8, tail, false);
	assert_non_null(
	        strstr(json_string_value(json_object_get(alert, "text")), "exit 1\n…\nline 25\n"));
	assert_non_null(strstr(json_string_value(json_object_get(alert, "text")), "line 39"));
	json_decref(alert);
	/* one line without an end: no half of a character, and what is no UTF-8 is mended */
	tail[0] = '\0';
	for (int i = 0; i < 900; i++)
		strcat(tail, "é");
	alert = describe("{}", 1 << 8, tail, true);
	assert_null(strstr(json_string_value(json_object_get(alert, "text")), "\xEF\xBF\xBD"));
	assert_non_null(strstr(json_string_value(json_object_get(alert, "text")), "\n…\né"));
	json_decref(alert);
	alert = describe("{}", 1 << 8, "bad \xFF byte", false);
	assert_text(alert, "text", "exit 1\nbad \xEF\xBF\xBD byte");
	json_decref(alert);
}

static void test_output_as_a_terminal_shows_it(void **state)
{
	static const struct {
		const char *tail, *text;
	} cases[] = {
	        {"\033[1;31merror\033[0m: no \033]8;;http://x\033\\\\link\033]8;;\a\n",
	                "error: no \\link"},
	        {"10%\r50%\r100%\nend\r\n", "100%\nend"},
	        {"one\r\n\r\ntwo\r", "one\n\ntwo"},
	        {"kept\nold\r\033[Knew", "kept\nnew"},
	        {"cut \033[12", "cut"},
	        {"cut \033]0;title", "cut"},
	        {"cut \033", "cut \033"},
	        {"\r\r\033[m\r", NULL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *alert = describe("{}", 1 << 8, cases[i].tail, false);
		char text[64];

		snprintf(text, sizeof(text), "exit 1%s%s", cases[i].text ? "\n" : "",
		        cases[i].text ? cases[i].text : "");
		assert_text(alert, "text", text);
		json_decref(alert);
	}
}

/* ---- the command line ---- */

static enum err parse(struct send_options *options, const char *line, struct fault *fault)
{
	static char copy[256];
	static char *argv[16];
	int argc = 0;

	snprintf(copy, sizeof(copy), "%s", line);
	for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	argv[argc] = NULL;
	return send_options_parse(options, argc, argv, fault);
}

static void test_options(void **state)
{
	static const struct {
		const char *line, *fault;
	} wrong[] = {
	        {"p --exec true", "needs a command after --"},
	        {"p --exec --", "needs a command after --"},
	        {"p --exec text -- true", "takes no TEXT"},
	        {"p --exec --ndjson -- true", "neither --ndjson"},
	        {"p --exec --wait -- true", "neither --ndjson"},
	        {"p --exec --status firing -- true", "--status"},
	        {"p --exec --id x -- true", "--id"},
	        {"p --exec --every 1h -- true", "--every goes with --heartbeat"},
	        {"p --exec --heartbeat -- true", "needs --app"},
	};
	struct send_options options;
	struct fault fault;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(parse(&options, wrong[i].line, &fault), ERR_INVALID);
		if (!strstr(fault.text, wrong[i].fault))
			fail_msg("%s: %s", wrong[i].line, fault.text);
		send_options_finish(&options);
	}
	assert_int_equal(
	        parse(&options, "p -x -b -a etl -s info --every 1h -- ls -l --all", &fault), OK);
	assert_string_equal(options.command[0], "ls");
	assert_string_equal(options.command[2], "--all");
	assert_null(options.command[3]);
	assert_text(options.beat, "op", "heartbeat");
	assert_text(options.beat, "app", "etl");
	assert_text(options.beat, "every", "1h");
	assert_null(json_object_get(options.alert, "every"));
	assert_text(options.alert, "severity", "info");
	send_options_finish(&options);
}

/* ---- running ---- */

/* Runs it in a child, as this test's own output is not the command's; what it wrote, and how that
 * child ended. */
static int run(const char *script, char *out, size_t size)
{
	char *const argv[] = {(char *)"sh", (char *)"-c", (char *)script, NULL};
	int ends[2], status;
	size_t len = 0;
	ssize_t count;
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		struct exec_outcome outcome;

		dup2(ends[1], STDOUT_FILENO);
		dup2(ends[1], STDERR_FILENO);
		close(ends[0]);
		close(ends[1]);
		exec_run(argv, &outcome);
		exec_end(&outcome);
	}
	close(ends[1]);
	while ((count = read(ends[0], out + len, size - 1 - len)) > 0)
		len += (size_t)count;
	out[len] = '\0';
	close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void test_output_and_end_pass_through(void **state)
{
	static char out[200000];
	int status = run("echo a; echo b >&2; echo c; exit 7", out, sizeof(out));

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 7);
	assert_string_equal(out, "a\nb\nc\n"); /* in their order */
	assert_int_equal(run("seq 1 20000", out, sizeof(out)), 0);
	assert_int_equal(strlen(out), 108894);
	assert_string_equal(out + strlen(out) - 6, "20000\n");
	status = run("kill -TERM $$", out, sizeof(out));
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGTERM);
	assert_int_equal(WEXITSTATUS(run("/nonexistent", out, sizeof(out))), 127);
	/* the dispositions are those that it would have had */
	run("trap", out, sizeof(out));
	assert_string_equal(out, "");
	/* what it leaves running writes after it ended */
	assert_int_equal(run("(sleep 0.3; echo late) & exit 0", out, sizeof(out)), 0);
	assert_string_equal(out, "late\n");
}

static void test_the_tail_is_kept(void **state)
{
	char *const argv[] = {(char *)"sh", (char *)"-c", (char *)"seq 1 100000", NULL};
	struct exec_outcome outcome;
	int saved = dup(STDOUT_FILENO), ends[2];

	/* nobody reads: it is told by SIGPIPE */
	assert_int_equal(pipe(ends), 0);
	close(ends[0]);
	fflush(stdout);
	dup2(ends[1], STDOUT_FILENO);
	exec_run(argv, &outcome);
	dup2(saved, STDOUT_FILENO);
	close(saved);
	close(ends[1]);
	assert_true(WIFSIGNALED(outcome.wait_status) || WEXITSTATUS(outcome.wait_status) != 0);
	assert_int_equal(outcome.tail_len, EXEC_TAIL_MAX);
	assert_memory_equal(outcome.tail, "1\n2\n3\n", 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_a_failure_says_how_it_ended),
	        cmocka_unit_test(test_a_success_resolves_the_same),
	        cmocka_unit_test(test_what_was_said_stays),
	        cmocka_unit_test(test_the_end_of_long_output),
	        cmocka_unit_test(test_output_as_a_terminal_shows_it),
	        cmocka_unit_test(test_options),
	        cmocka_unit_test(test_output_and_end_pass_through),
	        cmocka_unit_test(test_the_tail_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

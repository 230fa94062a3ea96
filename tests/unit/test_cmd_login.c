/*
 * `login` on a real pseudo-terminal, against a homeserver out of a table: no echo, the token in
 * its file or printed, and nothing left behind when it fails.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <termios.h>
#include <unistd.h>
#include "bot/base/alloc.h"
#include "bot/setup/cmd_login.h"
#include "bot/setup/password.h"
#include "bot/setup/replace_file.h"
#include "fake_ask.h"
#include "storage/state.h"

#define FLOWS "{\"flows\":[{\"type\":\"m.login.sso\"},{\"type\":\"m.login.password\"}]}"
#define ANSWER "{\"access_token\":\"syt_fresh\",\"user_id\":\"@bot:e\",\"device_id\":\"DEV\"}"

enum { FLOWS_CALL, LOGIN_CALL, LOGOUT_CALL };

static const struct fake_call good_calls[] = {
        [FLOWS_CALL] = {"GET", "/v3/login", OK, FLOWS, NULL},
        [LOGIN_CALL] = {"POST", "/v3/login", OK, ANSWER, NULL},
        [LOGOUT_CALL] = {"POST", "/v3/logout", OK, "{}", NULL},
};

struct fixture {
	char folder[64], config[96], token[96], database[96], wanted_out[96], wanted_err[96];
	struct fake_call calls[3];
	char *out, *err; /* of the last run */
};

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static char *read_text(const char *path)
{
	char *text = calloc(1, 65536);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_true(read(fd, text, 65535) >= 0);
	close(fd);
	return text;
}

static void write_config(struct fixture *f, const char *more)
{
	char text[1024];

	snprintf(text, sizeof(text),
	        "[rooms]\nops = #ops:e\n[matrix]\nhomeserver = example.org\nuser = @bot:e\n"
	        "device_name = the bot\n%s",
	        more);
	write_text(f->config, text);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->folder, "/tmp/test_login.XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->config, sizeof(f->config), "%s/bot.conf", f->folder);
	snprintf(f->token, sizeof(f->token), "%s/token", f->folder);
	snprintf(f->database, sizeof(f->database), "%s/operations.db", f->folder);
	snprintf(f->wanted_out, sizeof(f->wanted_out), "%s/out", f->folder);
	snprintf(f->wanted_err, sizeof(f->wanted_err), "%s/err", f->folder);
	write_config(f, "token_file = token\n");
	fake_ask_reset();
	memcpy(f->calls, good_calls, sizeof(good_calls));
	fake_ask.calls = f->calls;
	fake_ask.len = 3;
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
	free(f->out);
	free(f->err);
	free(f);
	return 0;
}

/* Runs it here, with standard input from a file of this text, and its output in files. */
static int run(struct fixture *f, bool json, const char *input, char *argument)
{
	char *argv[] = {(char *)"login", (char *)"--password-stdin", argument, NULL};
	char path[96];
	int saved[3], fds[3], code;

	snprintf(path, sizeof(path), "%s/in", f->folder);
	write_text(path, input);
	fds[0] = open(path, O_RDONLY);
	fds[1] = open(f->wanted_out, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	fds[2] = open(f->wanted_err, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	fflush(stdout);
	fflush(stderr);
	for (int i = 0; i < 3; i++) {
		saved[i] = dup(i);
		dup2(fds[i], i);
		close(fds[i]);
	}
	code = cmd_login(f->config, json, argument ? 3 : 2, argv);
	fflush(stdout);
	fflush(stderr);
	for (int i = 0; i < 3; i++) {
		dup2(saved[i], i);
		close(saved[i]);
	}
	free(f->out);
	free(f->err);
	f->out = read_text(f->wanted_out);
	f->err = read_text(f->wanted_err);
	/* never the password, and the token on standard output alone */
	assert_null(strstr(f->out, "hunter2"));
	assert_null(strstr(f->err, "hunter2"));
	assert_null(strstr(f->err, "syt_fresh"));
	return code;
}

static void test_the_token_is_written_to_its_file(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	char *text;

	assert_int_equal(run(f, false, "hunter2\n", NULL), EX_OK);
	text = read_text(f->token);
	assert_string_equal(text, "syt_fresh\n");
	free(text);
	assert_int_equal(stat(f->token, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_string_equal(f->out, "");
	assert_non_null(strstr(f->err, "Logged in as @bot:e, device DEV."));
	assert_non_null(strstr(f->err, f->token));
	assert_string_equal(fake_ask.last_body,
	        "{\"identifier\":{\"type\":\"m.id.user\",\"user\":\"@bot:e\"},"
	        "\"initial_device_display_name\":\"the bot\",\"password\":\"hunter2\","
	        "\"refresh_token\":false,\"type\":\"m.login.password\"}");
	assert_int_equal(fake_ask.asked[LOGOUT_CALL], 0);
}

static void test_printed_only_when_asked_for(void **state)
{
	struct fixture *f = *state;

	write_config(f, "token_command = true\n");
	assert_int_equal(run(f, false, "hunter2", (char *)"--print"), EX_OK);
	assert_string_equal(f->out, "syt_fresh\n");
	assert_int_not_equal(access(f->token, F_OK), 0);
	/* without it there is nowhere to put the token: nothing is asked, no session is made */
	fake_ask.asked[LOGIN_CALL] = 0;
	assert_int_equal(run(f, false, "hunter2", NULL), EX_USAGE);
	assert_non_null(strstr(f->err, "pass insert -m matrix/bot-token"));
	assert_int_equal(fake_ask.asked[LOGIN_CALL], 0);
}

static void test_json(void **state)
{
	struct fixture *f = *state;
	json_t *object;

	assert_int_equal(run(f, true, "hunter2", NULL), EX_OK);
	object = json_loads(f->out, 0, NULL);
	assert_string_equal(json_string_value(json_object_get(object, "token_file")), f->token);
	assert_string_equal(json_string_value(json_object_get(object, "device_id")), "DEV");
	assert_null(json_object_get(object, "access_token"));
	json_decref(object);
	assert_int_equal(run(f, true, "hunter2", (char *)"--print"), EX_OK);
	object = json_loads(f->out, 0, NULL);
	assert_string_equal(
	        json_string_value(json_object_get(object, "access_token")), "syt_fresh");
	json_decref(object);
}

static void test_the_database_s_device_is_kept(void **state)
{
	struct fixture *f = *state;
	struct store *store;

	assert_int_equal(store_open(&store, f->database, NULL), OK);
	assert_int_equal(store_begin(store), OK);
	assert_int_equal(state_set(store, "device_id", "KEPT"), OK);
	assert_int_equal(state_set(store, "user_id", "@bot:e"), OK);
	assert_int_equal(store_commit(store), OK);
	assert_int_equal(run(f, false, "hunter2", NULL), EX_OK);
	assert_non_null(strstr(fake_ask.last_body, "\"device_id\":\"KEPT\""));
	/* that of another account is not */
	assert_int_equal(store_begin(store), OK);
	assert_int_equal(state_set(store, "user_id", "@other:e"), OK);
	assert_int_equal(store_commit(store), OK);
	store_close(store);
	assert_int_equal(run(f, false, "hunter2", NULL), EX_OK);
	assert_null(strstr(fake_ask.last_body, "device_id"));
}

static void test_refusals(void **state)
{
	struct fixture *f = *state;
	struct fake_call *login = &f->calls[LOGIN_CALL];

	assert_int_equal(run(f, false, "", NULL), EX_DATAERR);
	assert_non_null(strstr(f->err, "the password is empty"));
	assert_int_equal(run(f, false, "\xFF\n", NULL), EX_DATAERR);
	assert_non_null(strstr(f->err, "UTF-8"));
	*login = (struct fake_call){"POST", "/v3/login", ERR_DENIED, "{}", "M_FORBIDDEN"};
	assert_int_equal(run(f, false, "hunter2", NULL), EX_DATAERR);
	assert_non_null(strstr(f->err, "wrong user or password"));
	login->errcode = "M_USER_DEACTIVATED";
	assert_int_equal(run(f, false, "hunter2", NULL), EX_DATAERR);
	assert_null(strstr(f->err, "wrong user or password"));
	login->code = ERR_LIMITED;
	fake_ask.retry_after_ms = 90000;
	assert_int_equal(run(f, false, "hunter2", NULL), EX_TEMPFAIL);
	assert_non_null(strstr(f->err, "again in 1m 30s"));
	login->code = OK;
	login->body = "{\"access_token\":\"syt_fresh\"}";
	assert_int_equal(run(f, false, "hunter2", NULL), EX_TEMPFAIL);
	f->calls[FLOWS_CALL].body = "{\"flows\":[{\"type\":\"m.login.sso\"},7]}";
	assert_int_equal(run(f, false, "hunter2", NULL), EX_UNAVAILABLE);
	assert_non_null(strstr(f->err, "mas-cli manage issue-compatibility-token"));
	f->calls[FLOWS_CALL].code = ERR_SERVER;
	assert_int_equal(run(f, false, "hunter2", NULL), EX_TEMPFAIL);
	fake_ask.open = ERR_NET;
	assert_int_equal(run(f, false, "hunter2", NULL), EX_TEMPFAIL);
	assert_int_equal(run(f, false, "hunter2", (char *)"--nonsense"), EX_USAGE);
	write_text(f->config, "[matrix\n");
	assert_int_equal(run(f, false, "hunter2", NULL), EX_CONFIG);
	assert_int_not_equal(access(f->token, F_OK), 0);
}

static void test_a_session_without_a_use_is_ended(void **state)
{
	struct fixture *f = *state;

	f->calls[LOGIN_CALL].body =
	        "{\"access_token\":\"syt_fresh\",\"user_id\":\"@Bot:e\",\"device_id\":\"D\"}";
	assert_int_equal(run(f, false, "hunter2", NULL), EX_CONFIG);
	assert_non_null(strstr(f->err, "calls this account @Bot:e"));
	assert_int_equal(fake_ask.asked[LOGOUT_CALL], 1);
	f->calls[LOGIN_CALL].body = ANSWER;
	write_config(f, "token_file = /nonexistent/token\n");
	/* there is no session at all, and nobody was asked for a password */
	assert_int_equal(run(f, false, "hunter2", NULL), EX_CANTCREAT);
	assert_non_null(strstr(f->err, "could not store the token"));
	assert_int_equal(fake_ask.asked[LOGIN_CALL], 1);
}

/* Root logs in for the daemon's user, whose the database's folder is: what is made is that user's.
 */
static void test_root_makes_nothing_that_the_daemon_cannot_read(void **state)
{
	const struct passwd *nobody = getpwnam("nobody");
	struct fixture *f = *state;
	struct stat st;
	pid_t child;
	int status;

	if (geteuid() != 0 || !nobody) {
		skip();
		return;
	}
	assert_int_equal(chown(f->folder, nobody->pw_uid, nobody->pw_gid), 0);
	child = fork(); /* the rights do not come back */
	if (child == 0) {
		char *argv[] = {(char *)"login", (char *)"--password-stdin", NULL};
		char path[96];
		int fd;

		snprintf(path, sizeof(path), "%s/in", f->folder);
		write_text(path, "hunter2\n");
		fd = open(path, O_RDONLY | O_CLOEXEC);
		_exit(fd >= 0 && dup2(fd, STDIN_FILENO) == 0 &&
		                        cmd_login(f->config, false, 2, argv) == EX_OK &&
		                        geteuid() == nobody->pw_uid
		                ? 0
		                : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(stat(f->token, &st), 0);
	assert_int_equal(st.st_uid, nobody->pw_uid);
	assert_int_equal(st.st_mode & 07777, 0600);
}

/* --- the terminal --------------------------------------------------------------------------- */

/* Reads from the terminal until `text` came, or it ended. */
static void read_until(int terminal, char *seen, size_t size, const char *text)
{
	size_t len = strlen(seen);

	while (!strstr(seen, text)) {
		struct pollfd wait = {.fd = terminal, .events = POLLIN};
		ssize_t got;

		assert_int_equal(poll(&wait, 1, 20000), 1);
		got = read(terminal, seen + len, size - 1 - len);
		if (got <= 0)
			break; /* EIO: the other side is closed */
		len += (size_t)got;
		seen[len] = '\0';
	}
}

/* Runs login in a child on a terminal of its own, and types. Returns its wait status. */
static int run_on_terminal(struct fixture *f, const char *typed, char *seen, size_t size)
{
	char *argv[] = {(char *)"login", NULL};
	struct termios after;
	int terminal, status;
	pid_t pid = forkpty(&terminal, NULL, NULL, NULL);

	assert_true(pid >= 0);
	if (pid == 0) {
		int code = cmd_login(f->config, false, 1, argv);

		fake_ask_reset();
		free(f);
		_exit(code);
	}
	seen[0] = '\0';
	read_until(terminal, seen, size, "https://matrix.example.org: ");
	assert_int_equal(write(terminal, typed, strlen(typed)), strlen(typed));
	read_until(terminal, seen, size, "\x01 nothing says this");
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (tcgetattr(terminal, &after) == 0) /* a new terminal echoes */
		assert_int_not_equal(after.c_lflag & ECHO, 0);
	close(terminal);
	return status;
}

static void test_the_password_is_asked_without_echo(void **state)
{
	struct fixture *f = *state;
	char seen[4096];
	int status = run_on_terminal(f, "hunter2\n", seen, sizeof(seen));
	char *text;

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), EX_OK);
	assert_non_null(strstr(seen, "Password of @bot:e at https://matrix.example.org: "));
	assert_null(strstr(seen, "hunter2"));
	assert_non_null(strstr(seen, "Logged in"));
	text = read_text(f->token);
	assert_string_equal(text, "syt_fresh\n");
	free(text);
}

static void test_ctrl_c_ends_it_by_the_signal(void **state)
{
	struct fixture *f = *state;
	char seen[4096];
	int status = run_on_terminal(f, "hun\x03", seen, sizeof(seen));

	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGINT);
	assert_int_not_equal(access(f->token, F_OK), 0);
}

static void test_no_terminal_no_question(void **state)
{
	struct fault fault = {0};
	char *password;
	int saved = dup(STDIN_FILENO);
	int null = open("/dev/null", O_RDONLY);

	dup2(null, STDIN_FILENO);
	assert_int_equal(password_ask("? ", &password, &fault), ERR_UNSUPPORTED);
	assert_null(password);
	dup2(saved, STDIN_FILENO);
	close(saved);
	close(null);
}

/* --- the file ------------------------------------------------------------------------------- */

static void test_the_file_is_replaced_as_a_whole(void **state)
{
	struct fixture *f = *state;
	char target[96], *text;
	struct stat st;

	/* what others could read becomes private, and a link is not followed */
	snprintf(target, sizeof(target), "%s/target", f->folder);
	write_text(target, "old");
	assert_int_equal(symlink(target, f->token), 0);
	assert_int_equal(replace_file(f->token, "new", NULL, NULL), OK);
	assert_int_equal(lstat(f->token, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0600);
	text = read_text(target);
	assert_string_equal(text, "old");
	free(text);
	assert_int_equal(chmod(f->token, 0666), 0);
	assert_int_equal(replace_file(f->token, "newer", NULL, NULL), OK);
	assert_int_equal(stat(f->token, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	text = read_text(f->token);
	assert_string_equal(text, "newer");
	free(text);
}

static void test_a_failed_write_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	struct fault fault = {0};
	char command[256];

	/* a folder stands where the file should be: the rename fails */
	assert_int_equal(mkdir(f->token, 0700), 0);
	assert_int_equal(replace_file(f->token, "s3cret", NULL, &fault), ERR_IO);
	assert_non_null(strstr(fault.text, f->token));
	assert_null(strstr(fault.text, "s3cret"));
	snprintf(command, sizeof(command), "! grep -r s3cret %s && ! ls %s | grep -q 'token\\.'",
	        f->folder, f->folder);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(
	                test_the_token_is_written_to_its_file, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_printed_only_when_asked_for, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_json, setup, teardown),
	        cmocka_unit_test_setup_teardown(
	                test_the_database_s_device_is_kept, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
	        cmocka_unit_test_setup_teardown(
	                test_root_makes_nothing_that_the_daemon_cannot_read, setup, teardown),
	        cmocka_unit_test_setup_teardown(
	                test_a_session_without_a_use_is_ended, setup, teardown),
	        cmocka_unit_test_setup_teardown(
	                test_the_password_is_asked_without_echo, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_ctrl_c_ends_it_by_the_signal, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_no_terminal_no_question, setup, teardown),
	        cmocka_unit_test_setup_teardown(
	                test_the_file_is_replaced_as_a_whole, setup, teardown),
	        cmocka_unit_test_setup_teardown(
	                test_a_failed_write_leaves_nothing, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

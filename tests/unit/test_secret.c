/*
 * Secrets from commands, files and credentials; and that faults never hold them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/config/secret.h"

static char folder[] = "/tmp/test_secret.XXXXXX";

static int make_folder(void **state)
{
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	return rmdir(folder);
}

static enum err run(const char *command, int64_t timeout_ms, char **out, struct fault *fault)
{
	const struct config_secret secret = {.command = (char *)command};

	*fault = (struct fault){0};
	return secret_read_within(&secret, "token", timeout_ms, out, fault);
}

static void test_first_line_of_a_command(void **state)
{
	static const struct {
		const char *command, *secret;
	} good[] = {
	        {"echo abc", "abc"},
	        {"printf abc", "abc"},
	        {"printf 'abc\\r\\n'", "abc"},
	        {"printf 'a b \\nuser: x\\n'", "a b "},
	        {"echo complaint >&2; echo abc", "abc"},
	        {"cat; echo abc", "abc"},                  /* standard input is empty */
	        {"echo abc; yes | head -c 100000", "abc"}, /* far more than is kept */
	        {"echo abc; exec >&-; true", "abc"},
	        {"head -c 100000 /dev/zero >&2; echo abc", "abc"},
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct fault fault;
		char *out;

		if (run(good[i].command, 10000, &out, &fault) != OK)
			fail_msg("%s: %s", good[i].command, fault.text);
		assert_string_equal(out, good[i].secret);
		x_wipe_free_str(out);
	}
}

static void test_commands_that_fail(void **state)
{
	static const struct {
		const char *command, *text;
		enum err code;
	} bad[] = {
	        {"false", "token: the command ended with exit code 1", ERR_IO},
	        {"exit 7", "token: the command ended with exit code 7", ERR_IO},
	        {"no-such-command-here",
	                "token: the command ended with exit code 127: sh: 1: no-such-command-here: "
	                "not "
	                "found",
	                ERR_IO},
	        {"kill -9 $$", "token: the command was ended by signal 9", ERR_IO},
	        {"true", "token: the first line is empty", ERR_INVALID},
	        {"echo; echo abc", "token: the first line is empty", ERR_INVALID},
	        {"printf 'a\\000b'", "token: the first line has a NUL byte", ERR_INVALID},
	        {"head -c 5000 /dev/zero | tr '\\000' x",
	                "token: the first line is over 4096 bytes", ERR_TOO_LARGE},
	        {"printf 'bad \\033[31m\\nmore' >&2; exit 2",
	                "token: the command ended with exit code 2: bad \xEF\xBF\xBD[31m", ERR_IO},
	        /* the secret is in the complaint: the complaint is not told */
	        {"echo s3cret; echo cannot use s3cret >&2; exit 1",
	                "token: the command ended with exit code 1", ERR_IO},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct fault fault;
		char *out = (char *)1;

		assert_int_equal(run(bad[i].command, 10000, &out, &fault), bad[i].code);
		assert_int_equal(fault.code, bad[i].code);
		assert_string_equal(fault.text, bad[i].text);
		assert_null(out);
	}
}

static pid_t read_pid(const char *path)
{
	FILE *file = fopen(path, "r");
	int pid = 0;

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%d", &pid), 1);
	fclose(file);
	assert_true(pid > 1);
	return pid;
}

/* Waits until a process that is not our own child has ended: it is gone, or a zombie. */
static void wait_for_end(pid_t pid)
{
	char path[64], line[512];

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	for (int tries = 0; tries < 5000; tries++) {
		FILE *file = fopen(path, "r");
		bool there = file && fgets(line, sizeof(line), file) && !strstr(line, ") Z");

		if (file)
			fclose(file);
		if (!there)
			return;
		usleep(1000);
	}
	fail_msg("process %d goes on", (int)pid);
}

static void test_a_command_that_hangs_is_killed_with_its_children(void **state)
{
	char command[256], path[64];
	struct fault fault;
	char *out;
	int64_t start_ms = clock_monotonic_ms();

	snprintf(path, sizeof(path), "%s/pid", folder);
	snprintf(command, sizeof(command), "echo abc; sleep 600 & echo $! > %s; wait", path);
	assert_int_equal(run(command, 300, &out, &fault), ERR_TIMEOUT);
	assert_string_equal(fault.text, "token: the command did not end in time");
	assert_null(out);
	assert_in_range(clock_monotonic_ms() - start_ms, 300, 8000);
	wait_for_end(read_pid(path));
	unlink(path);
}

static void test_a_stop_does_not_wait_for_a_command(void **state)
{
	struct fault fault;
	char *out;
	int64_t start_ms = clock_monotonic_ms();

	secret_set_stopping(true);
	assert_int_equal(run("sleep 600", 20000, &out, &fault), ERR_CANCELED);
	secret_set_stopping(false);
	assert_string_equal(fault.text, "token: stopping");
	assert_true(clock_monotonic_ms() - start_ms < 5000);
}

/* What a command leaves running, with its output open, is not waited for. */
static void test_a_child_left_behind_does_not_hold_it_up(void **state)
{
	char command[256], path[64];
	struct fault fault;
	char *out;
	int64_t start_ms = clock_monotonic_ms();

	snprintf(path, sizeof(path), "%s/pid", folder);
	snprintf(command, sizeof(command), "echo abc; sleep 60 & echo $! > %s", path);
	assert_int_equal(run(command, 20000, &out, &fault), OK);
	assert_string_equal(out, "abc");
	assert_true(clock_monotonic_ms() - start_ms < 10000);
	free(out);
	kill(read_pid(path), SIGKILL);
	unlink(path);
}

static void write_file(const char *path, const char *text, size_t len, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void test_files(void **state)
{
	static char longest[4097], longer[4098];
	char path[64], wanted[256], *out;
	const struct config_secret secret = {.file = path};
	struct fault fault = {0};

	snprintf(path, sizeof(path), "%s/file", folder);
	assert_int_equal(secret_read(&secret, "token", &out, &fault), ERR_NOT_FOUND);
	assert_non_null(strstr(fault.text, path));
	assert_null(out);

	write_file(path, "abc\nuser\n", 9, 0600);
	assert_int_equal(secret_read(&secret, "token", &out, &fault), OK);
	assert_string_equal(out, "abc");
	x_wipe_free_str(out);

	static const mode_t open_modes[] = {0640, 0604, 0620, 0644, 0601};
	for (size_t i = 0; i < sizeof(open_modes) / sizeof(open_modes[0]); i++) {
		assert_int_equal(chmod(path, open_modes[i]), 0);
		assert_int_equal(secret_read(&secret, "token", &out, &fault), ERR_DENIED);
		snprintf(wanted, sizeof(wanted), "%s: accessible by other users; run: chmod 600 %s",
		        path, path);
		assert_string_equal(fault.text, wanted);
		assert_null(out);
	}
	assert_int_equal(chmod(path, 0400), 0);
	assert_int_equal(secret_read(&secret, "token", &out, &fault), OK);
	free(out);

	memset(longest, 'x', 4096);
	memset(longer, 'x', 4097);
	unlink(path);
	write_file(path, longest, 4096, 0600);
	assert_int_equal(secret_read(&secret, "token", &out, &fault), OK);
	assert_int_equal(strlen(out), 4096);
	free(out);
	write_file(path, longer, 4097, 0600);
	assert_int_equal(secret_read(&secret, "token", &out, &fault), ERR_TOO_LARGE);
	assert_null(strstr(fault.text, "xxx"));
	write_file(path, "", 0, 0600);
	assert_int_equal(secret_read(&secret, "token", &out, &fault), ERR_INVALID);
	write_file(path, "a\0b", 3, 0600);
	assert_int_equal(secret_read(&secret, "token", &out, &fault), ERR_INVALID);
	unlink(path);
	/* nobody waits for the writer of a pipe */
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(secret_read(&secret, "token", &out, &fault), ERR_IO);
	unlink(path);
}

static void test_credentials(void **state)
{
	const struct config_secret none = {0};
	char path[64], *out;
	struct fault fault = {0};

	unsetenv("CREDENTIALS_DIRECTORY");
	assert_int_equal(secret_read(&none, "token", &out, &fault), ERR_NOT_FOUND);
	assert_non_null(strstr(fault.text, "token: "));
	setenv("CREDENTIALS_DIRECTORY", folder, 1);
	assert_int_equal(secret_read(&none, "pickle_key", &out, &fault), ERR_NOT_FOUND);
	snprintf(path, sizeof(path), "%s/pickle_key", folder);
	write_file(path, "from systemd\n", 13, 0440);
	assert_int_equal(secret_read(&none, "pickle_key", &out, &fault), OK);
	assert_string_equal(out, "from systemd");
	x_wipe_free_str(out);
	/* what was read with other rights comes before, until it is taken back */
	secret_offer("pickle_key", "offered");
	secret_offer("token", "another");
	assert_int_equal(secret_read(&none, "pickle_key", &out, &fault), OK);
	assert_string_equal(out, "offered");
	x_wipe_free_str(out);
	secret_offer("token", NULL);
	secret_offer("pickle_key", NULL);
	assert_int_equal(secret_read(&none, "token", &out, &fault), ERR_NOT_FOUND);
	assert_int_equal(secret_read_credential(folder, "pickle_key", &out, &fault), OK);
	assert_string_equal(out, "from systemd");
	x_wipe_free_str(out);
	/* what is configured comes first */
	const struct config_secret command = {.command = (char *)"echo mine"};
	assert_int_equal(secret_read(&command, "pickle_key", &out, NULL), OK);
	assert_string_equal(out, "mine");
	x_wipe_free_str(out);
	unlink(path);
	unsetenv("CREDENTIALS_DIRECTORY");
}

/* A command has the descriptors that any child of this process has, and none is left open. */
static void test_no_descriptor_leaks(void **state)
{
	static const char count[] = "ls /proc/self/fd | wc -l";
	char wanted[32];
	struct fault fault;
	char *out;
	int before = dup(STDIN_FILENO);
	FILE *pipe = popen(count, "r");

	assert_non_null(pipe);
	assert_non_null(fgets(wanted, sizeof(wanted), pipe));
	wanted[strcspn(wanted, "\n")] = '\0';
	pclose(pipe);
	close(before);
	for (int i = 0; i < 3; i++) {
		run("exit 3", 10000, &out, &fault);
		assert_int_equal(run(count, 10000, &out, &fault), OK);
		/* `before` was open the first time */
		assert_int_equal(atoi(out), atoi(wanted) - 1);
		free(out);
	}
	int after = dup(STDIN_FILENO);
	close(after);
	assert_int_equal(before, after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_first_line_of_a_command),
	        cmocka_unit_test(test_commands_that_fail),
	        cmocka_unit_test(test_a_command_that_hangs_is_killed_with_its_children),
	        cmocka_unit_test(test_a_stop_does_not_wait_for_a_command),
	        cmocka_unit_test(test_a_child_left_behind_does_not_hold_it_up),
	        cmocka_unit_test(test_files),
	        cmocka_unit_test(test_credentials),
	        cmocka_unit_test(test_no_descriptor_leaks),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

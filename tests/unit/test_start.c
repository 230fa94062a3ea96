/*
 * Allocation failures at the start of the daemon. The project's own memory is there or the process
 * ends (bot/base/alloc.h); what can fail is SQLite's, libuv's and libcurl's, which report it.
 * Wherever that happens the daemon ends with an exit code, or runs; the database is whole
 * afterwards.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <curl/curl.h>
#include <poll.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>
#include <uv.h>
#include "bot/base/alloc.h"
#include "bot/daemon.h"

enum victim { SQLITE, LIBUV, LIBCURL };

static atomic_long until_failure; /* allocations that succeed still; then one fails */
static sqlite3_mem_methods real;

static bool is_failing(void)
{
	return until_failure-- == 0;
}

static void *sqlite_malloc(int size)
{
	return is_failing() ? NULL : real.xMalloc(size);
}

static void *sqlite_realloc(void *old, int size)
{
	return is_failing() ? NULL : real.xRealloc(old, size);
}

static void *lib_malloc(size_t size)
{
	return is_failing() ? NULL : malloc(size);
}

static void *lib_realloc(void *old, size_t size)
{
	return is_failing() ? NULL : realloc(old, size);
}

static void *lib_calloc(size_t count, size_t size)
{
	return is_failing() ? NULL : calloc(count, size);
}

static char *lib_strdup(const char *text)
{
	return is_failing() ? NULL : strdup(text);
}

static void arm(enum victim victim, long n)
{
	sqlite3_mem_methods failing;

	until_failure = n;
	if (victim == LIBUV) {
		uv_replace_allocator(lib_malloc, lib_realloc, lib_calloc, free);
		return;
	}
	if (victim == LIBCURL) {
		curl_global_init_mem(
		        CURL_GLOBAL_DEFAULT, lib_malloc, free, lib_realloc, lib_strdup, lib_calloc);
		return;
	}
	sqlite3_shutdown();
	sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real);
	failing = real;
	failing.xMalloc = sqlite_malloc;
	failing.xRealloc = sqlite_realloc;
	sqlite3_config(SQLITE_CONFIG_MALLOC, &failing);
}

static int listen_for_ready(const char *folder)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/notify", folder);
	unlink(address.sun_path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	setenv("NOTIFY_SOCKET", address.sun_path, 1);
	return fd;
}

/* Stops the child once it is ready, and waits for its end. */
static int end_of(pid_t pid, int ready)
{
	struct pollfd fd = {.fd = ready, .events = POLLIN};
	char text[256];
	int status;
	ssize_t len;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (poll(&fd, 1, 20) != 1)
			continue;
		len = recv(ready, text, sizeof(text) - 1, 0);
		text[len > 0 ? len : 0] = '\0';
		if (strcmp(text, "READY=1") == 0)
			kill(pid, SIGTERM);
	}
	return status;
}

static void file_write(const char *folder, const char *name, const char *text)
{
	char *path = x_asprintf("%s/%s", folder, name);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fchmod(fileno(file), 0600), 0);
	fputs(text, file);
	fclose(file);
	free(path);
}

static void file_remove(const char *folder, const char *name)
{
	char *path = x_asprintf("%s/%s", folder, name);

	unlink(path);
	free(path);
}

/* One start, with the n-th allocation failing. False: there were not so many. */
static bool start_once(const char *folder, enum victim victim, long n)
{
	char *config = x_asprintf("%s/bot.conf", folder);
	struct daemon_options options = {.config_path = config};
	int ready = listen_for_ready(folder), ends[2], status;
	bool fired;
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int code;

		alarm(20);
		if (!freopen("/dev/null", "w", stderr))
			abort();
		arm(victim, n);
		code = daemon_run(&options);
		if (until_failure < 0 && write(ends[1], "f", 1) != 1)
			abort();
		_exit(code);
	}
	close(ends[1]);
	status = end_of(pid, ready);
	fired = read(ends[0], &(char){0}, 1) == 1 || !WIFEXITED(status);
	close(ends[0]);
	close(ready);
	free(config);
	/* libuv's loop itself is memory that is there, or the process ends */
	if (WIFSIGNALED(status) && (WTERMSIG(status) != SIGABRT || victim == SQLITE))
		fail_msg("allocation %ld: signal %d", n, WTERMSIG(status));
	if (WIFEXITED(status) && WEXITSTATUS(status) != EX_OK &&
	        (WEXITSTATUS(status) < EX__BASE || WEXITSTATUS(status) > EX__MAX))
		fail_msg("allocation %ld: exit code %d", n, WEXITSTATUS(status));
	return fired;
}

/* fresh: on a new database each time, so with all migrations. */
static void sweep(enum victim victim, bool fresh)
{
	static const char *const names[] = {"operations.db", "operations.db-wal",
	        "operations.db-shm", "operations.db.lock", "socket", "socket.lock", "notify",
	        "token", "pickle_key", "bot.conf"};
	char folder[] = "/tmp/test-start.XXXXXX", *spool, *text;
	bool fired = true;
	long n;

	assert_non_null(mkdtemp(folder));
	file_write(folder, "token", "good\n");
	file_write(folder, "pickle_key", "0123456789abcdef0123456789abcdef0123456789a=\n");
	text = x_asprintf("[matrix]\nhomeserver = http://127.0.0.1:1\nuser = @bot:fake.local\n"
	                  "token_file = %s/token\n[storage]\ndatabase = %s/operations.db\n"
	                  "spool = %s/spool\n[socket]\npath = %s/socket\n[rooms]\n"
	                  "ops = !ops:fake.local\n",
	        folder, folder, folder, folder);
	file_write(folder, "bot.conf", text);
	free(text);
	for (n = 0; fired; n += 1 + n / 8) {
		for (size_t i = 0; fresh && i < 4; i++)
			file_remove(folder, names[i]);
		fired = start_once(folder, victim, n);
	}
	assert_true(n > 1);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		file_remove(folder, names[i]);
	spool = x_asprintf("%s/spool", folder);
	rmdir(spool);
	free(spool);
	rmdir(folder);
}

static void sqlite_fails_on_a_new_database(void **state)
{
	sweep(SQLITE, true);
}

static void sqlite_fails_on_one_that_is_there(void **state)
{
	sweep(SQLITE, false);
}

static void libuv_fails(void **state)
{
	sweep(LIBUV, false);
}

static void libcurl_fails(void **state)
{
	sweep(LIBCURL, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(sqlite_fails_on_a_new_database),
	        cmocka_unit_test(sqlite_fails_on_one_that_is_there),
	        cmocka_unit_test(libuv_fails),
	        cmocka_unit_test(libcurl_fails),
	};

	x_alloc_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

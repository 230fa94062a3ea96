/*
 * setup_start.c - part of `setup`: after the config is written, handles the units, runs check, and
 * sends a message that an operator acknowledges.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>
#include "bot/base/clock.h"
#include "bot/base/synthetic.h"
#include "bot/client/socket.h"
#include "bot/setup/cmd_check.h"
#include "bot/setup/question.h"
#include "bot/setup/setup.h"

#define SOCKET "matrix-telemetry-bot.socket"
#define ANSWER_MS 10000
#define START_MS 60000 /* until a daemon answers */
#define ROOM_MS 60000  /* until the message is in the room */
#define POLL_MS 100
#define LOG_BYTES 2048 /* shown of the log of a daemon that fails to start */

/* ---- units ---- */

bool setup_uses_units(const struct setup *setup)
{
	return access("/run/systemd/system", F_OK) == 0 && geteuid() == 0 &&
	       strcmp(setup->path, SETUP_INSTALLED) == 0;
}

int setup_systemctl(const char *verb, const char *unit)
{
	char *const argv[] = {
	        (char *)"systemctl", (char *)"--quiet", (char *)verb, (char *)unit, NULL};
	extern char **environ;
	int status = -1;
	pid_t pid;

	if (posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ) == 0)
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	if (status == 0)
		return EX_OK;
	return setup_fail(
	        EX_UNAVAILABLE, "systemctl %s %s failed; see journalctl -u %s", verb, unit, unit);
}

int setup_units(const struct setup *setup, bool changed)
{
	static const char *const units[] = {SOCKET, SETUP_SERVICE};
	int code = EX_OK;

	if (!setup_uses_units(setup)) {
		printf("Units … skipped: %s; to start the daemon: %s%s%smatrix-telemetry-bot -c %s "
		       "run\n",
		        access("/run/systemd/system", F_OK) != 0
		                ? "systemd is not running here"
		                : "they belong to " SETUP_INSTALLED,
		        setup->daemon.name[0] ? "runuser -u " : "", setup->daemon.name,
		        setup->daemon.name[0] ? " -- " : "", setup->path);
		return EX_OK;
	}
	question_begin("Units: enabling and starting");
	for (size_t i = 0; i < 2 && code == EX_OK; i++)
		code = setup_systemctl("enable", units[i]);
	if (code == EX_OK)
		code = setup_systemctl("start", SOCKET);
	if (code == EX_OK)
		code = setup_systemctl(changed ? "restart" : "start", SETUP_SERVICE);
	question_end(code == EX_OK ? "done" : "failed");
	return code;
}

/* ---- check ---- */

/* In a child process, since check switches to the rights of the daemon's user. */
int setup_check(const struct setup *setup)
{
	int status = 0;
	pid_t pid;

	printf("\n");
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		int code = cmd_check(setup->path, false);

		fflush(stdout);
		_exit(code);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return setup_fail(EX_OSERR, "check: %s", strerror(errno));
	return WIFEXITED(status) ? WEXITSTATUS(status) : EX_SOFTWARE;
}

/* ---- a daemon for the test ---- */

struct own_daemon {
	pid_t pid; /* 0 = none */
	FILE *log;
};

/* In the child, which ends when this process does. */
static void own_daemon_become(const struct setup *setup, const struct own_daemon *own)
{
	char *const argv[] = {
	        (char *)"matrix-telemetry-bot", (char *)"-c", setup->path, (char *)"run", NULL};
	struct fault fault = {0};

	dup2(fileno(own->log), STDERR_FILENO);
	if (daemon_user_become(&setup->daemon, &fault) != OK)
		dprintf(STDERR_FILENO, "%s\n", fault.text);
	else if (prctl(PR_SET_PDEATHSIG, SIGTERM) == 0)
		execv("/proc/self/exe", argv);
	_exit(EX_OSERR);
}

static void own_daemon_print_log(const struct own_daemon *own)
{
	char text[LOG_BYTES + 1];
	size_t len;

	fseek(own->log, 0, SEEK_END);
	if (ftell(own->log) > LOG_BYTES)
		fseek(own->log, -LOG_BYTES, SEEK_END);
	else
		rewind(own->log);
	len = fread(text, 1, LOG_BYTES, own->log);
	text[len] = '\0';
	fputs(text, stderr);
}

static void own_daemon_stop(struct own_daemon *own)
{
	if (own->pid > 0) {
		kill(own->pid, SIGTERM);
		waitpid(own->pid, NULL, 0);
	}
	if (own->log)
		fclose(own->log);
	*own = (struct own_daemon){0};
}

/* Connects to the running daemon, or starts one; NULL: failed, and the reason was printed. */
static struct client *setup_connect(const struct setup *setup, struct own_daemon *own)
{
	int64_t until_ms = clock_monotonic_ms() + START_MS;
	struct client *client = NULL;
	struct fault fault = {0};

	if (client_open(&client, setup->config->socket.path, ANSWER_MS, &fault) == OK)
		return client;
	question_begin("Starting a daemon for the test message");
	fflush(stdout);
	own->log = tmpfile();
	own->pid = own->log ? fork() : -1;
	if (own->pid == 0)
		own_daemon_become(setup, own);
	while (own->pid > 0 && clock_monotonic_ms() < until_ms) {
		if (client_open(&client, setup->config->socket.path, ANSWER_MS, &fault) == OK) {
			question_end("done");
			return client;
		}
		if (waitpid(own->pid, NULL, WNOHANG) == own->pid)
			own->pid = -1;
		poll(NULL, 0, POLL_MS);
	}
	question_end("failed");
	if (own->log)
		own_daemon_print_log(own);
	setup_fail(EX_UNAVAILABLE, "%s", fault.text);
	return NULL;
}

/* ---- the message ---- */

/* Makes the daemon load the config that was written. */
static void setup_reload(struct client *client)
{
	json_t *request = json_pack("{s:s}", "op", "reload"), *answer = NULL;
	struct fault fault;

	if (client_call(client, request, ANSWER_MS, &answer, &fault) == OK &&
	        !json_is_true(json_object_get(answer, "ok")))
		setup_fail(EX_CONFIG, "%s", client_text(answer, "message"));
	json_decref(answer);
	json_decref(request);
}

/* Sends the alert and waits until it is in the room. */
static int setup_send(struct client *client, const json_t *alert)
{
	json_t *answer = NULL, *request = NULL, *waited = NULL;
	struct fault fault = {0};
	int code = EX_OK;

	question_begin("🧪 Sending a test message");
	if (client_call(client, alert, ANSWER_MS, &answer, &fault) == OK) {
		request = json_pack("{s:s, s:O*, s:i}", "op", "wait", "alert",
		        json_object_get(answer, "alert"), "timeout_ms", ROOM_MS);
		client_call(client, request, ROOM_MS + ANSWER_MS, &waited, &fault);
	}
	if (json_is_true(json_object_get(waited, "ok")))
		question_end("sent");
	else
		question_end("not sent");
	if (!json_is_true(json_object_get(waited, "ok")))
		code = setup_fail(EX_TEMPFAIL, "%s",
		        fault.text[0] ? fault.text
		                      : client_text(waited ? waited : answer, "message"));
	json_decref(waited);
	json_decref(request);
	json_decref(answer);
	return code;
}

static bool setup_is_ack(const json_t *event, const char *run)
{
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(event, "run_ids"), i, one)
	{
		if (json_is_string(one) && strcmp(json_string_value(one), run) == 0)
			return strcmp(client_text(event, "event"), "acked") == 0;
	}
	return false;
}

static int setup_await(const struct setup *setup, struct client *events, const char *run)
{
	int64_t until_ms = clock_monotonic_ms() + setup->options.wait_ms, left_ms;
	char duration[24];
	struct fault fault;
	json_t *event;

	clock_format_duration(setup->options.wait_ms, duration, sizeof(duration));
	printf("React to it with ✅, or send !ack %s in the room. Waiting for at most %s …\n", run,
	        duration);
	fflush(stdout);
	while ((left_ms = until_ms - clock_monotonic_ms()) > 0) {
		enum err err = client_receive(events, left_ms, &event, &fault);
		bool acked = err == OK && setup_is_ack(event, run);

		if (acked)
			printf("✅ Acknowledged by %s: it works in both directions.\n",
			        client_text(event, "by"));
		json_decref(event);
		if (acked)
			return EX_OK;
		if (err != OK && err != ERR_TIMEOUT)
			return setup_fail(EX_UNAVAILABLE, "%s", fault.text);
	}
	return setup_fail(EX_TEMPFAIL, "nobody acknowledged it in time; what was set up stays");
}

int setup_test(const struct setup *setup)
{
	json_t *subscribe = json_pack("{s:s}", "op", "subscribe");
	json_t *alert = synthetic_alert("node"), *answer = NULL;
	struct client *client, *events = NULL;
	struct own_daemon own = {0};
	struct fault fault = {0};
	int code;

	printf("\n");
	client = setup_connect(setup, &own);
	code = client ? EX_OK : EX_UNAVAILABLE;
	if (client && own.pid == 0)
		setup_reload(client);
	if (client && (client_open(&events, setup->config->socket.path, ANSWER_MS, &fault) != OK ||
	                      client_call(events, subscribe, ANSWER_MS, &answer, &fault) != OK))
		code = setup_fail(EX_UNAVAILABLE, "%s", fault.text);
	if (code == EX_OK)
		code = setup_send(client, alert);
	if (code == EX_OK)
		code = setup_await(setup, events, client_text(alert, "run_id"));
	client_close(events);
	client_close(client);
	own_daemon_stop(&own);
	json_decref(answer);
	json_decref(alert);
	json_decref(subscribe);
	return code;
}

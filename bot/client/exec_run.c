/*
 * exec_run.c - see exec_run.h.
 *
 * Happy path: the command writes into one pipe for each stream (one for both when ours are the same
 * file, so that their order stays); poll(2) copies from it to ours piece by piece. Signals are
 * blocked and read from a descriptor, so that none is missed. On SIGCHLD, what is in the pipes is
 * passed on, and the loop ends without waiting for other processes that hold them open. When nobody
 * reads our output, the pipe is closed, and the command gets SIGPIPE as it would without us.
 */
#include "bot/client/exec_run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "bot/base/clock.h"

#define PIECE 4096 /* bytes that a writable pipe takes without blocking (PIPE_BUF) */
#define EXIT_NOT_FOUND 127
#define EXIT_NOT_EXECUTABLE 126

/* Signals passed on to the command. Stopping and continuing are left to the terminal. */
static const int passed_on[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};

struct exec_stream {
	int from, to; /* from -1: it is at its end */
	char data[PIECE];
	size_t len, written;
};

struct exec_run {
	struct exec_outcome *outcome;
	struct exec_stream streams[2];
	sigset_t signals_before;
	struct sigaction child_before, pipe_before;
	int signals; /* descriptor of signalfd(2) */
	pid_t pid;
	bool ended;
};

static void exec_remember(struct exec_outcome *outcome, const char *data, size_t len)
{
	size_t kept = outcome->tail_len, room = EXEC_TAIL_MAX - kept;

	if (len > room) { /* a piece is never larger than the whole */
		memmove(outcome->tail, outcome->tail + (len - room), kept - (len - room));
		kept -= len - room;
		outcome->cut = true;
	}
	memcpy(outcome->tail + kept, data, len);
	outcome->tail_len = kept + len;
}

static bool exec_is_open(const struct exec_run *run)
{
	return run->streams[0].from >= 0 || run->streams[1].from >= 0;
}

static void exec_close(struct exec_stream *stream)
{
	close(stream->from);
	stream->from = -1;
	stream->len = stream->written = 0;
}

static void exec_move(struct exec_run *run, struct exec_stream *stream)
{
	ssize_t count;

	if (stream->len > 0) {
		count = write(
		        stream->to, stream->data + stream->written, stream->len - stream->written);
		if (count > 0)
			stream->written += (size_t)count;
		else if (count < 0 && errno != EINTR && errno != EAGAIN)
			exec_close(stream); /* nobody reads our output */
		if (stream->written == stream->len)
			stream->len = stream->written = 0;
		return;
	}
	count = read(stream->from, stream->data, sizeof(stream->data));
	if (count > 0) {
		stream->len = (size_t)count;
		exec_remember(run->outcome, stream->data, stream->len);
	} else if (count == 0 || errno != EINTR) {
		exec_close(stream);
	}
}

/* One round of the loop. False: nothing happened within timeout_ms. */
static bool exec_turn(struct exec_run *run, int timeout_ms)
{
	struct pollfd fds[3] = {{.fd = run->ended ? -1 : run->signals, .events = POLLIN}};
	struct signalfd_siginfo info;
	bool full = false;
	int ready;

	for (size_t i = 0; i < 2; i++) {
		struct exec_stream *stream = &run->streams[i];

		fds[i + 1].fd = stream->len > 0 ? stream->to : stream->from;
		fds[i + 1].events = stream->len > 0 ? POLLOUT : POLLIN;
		full |= stream->len > 0;
	}
	ready = poll(fds, 3, full ? -1 : timeout_ms); /* pending output has no time limit */
	if (ready <= 0)
		return ready < 0 && errno == EINTR;
	for (size_t i = 0; i < 2; i++)
		if (fds[i + 1].revents)
			exec_move(run, &run->streams[i]);
	if (!fds[0].revents || read(run->signals, &info, sizeof(info)) != sizeof(info))
		return true;
	if (info.ssi_signo == SIGCHLD)
		run->ended = waitpid(run->pid, &run->outcome->wait_status, WNOHANG) == run->pid;
	else if (info.ssi_code <= 0) /* signals from the terminal reach the command directly */
		kill(run->pid, (int)info.ssi_signo);
	return true;
}

/* Runs in the child. */
static void exec_become(struct exec_run *run, char *const *argv, const int ends[2])
{
	int error;

	for (int i = 0; i < 2; i++)
		dup2(ends[i], STDOUT_FILENO + i);
	sigaction(SIGCHLD, &run->child_before, NULL);
	sigaction(SIGPIPE, &run->pipe_before, NULL);
	sigprocmask(SIG_SETMASK, &run->signals_before, NULL);
	execvp(argv[0], argv);
	error = errno;
	dprintf(STDERR_FILENO, "matrix-send-message: %s: %s\n", argv[0], strerror(error));
	_exit(error == ENOENT || error == ENOTDIR ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE);
}

/* Opens the pipes for the command's output; ends are what the command writes to. False: no pipe can
 * be created. */
static bool exec_open_pipes(struct exec_run *run, int ends[2])
{
	struct stat out, err;
	bool one = fstat(STDOUT_FILENO, &out) == 0 && fstat(STDERR_FILENO, &err) == 0 &&
	           out.st_dev == err.st_dev && out.st_ino == err.st_ino;

	for (int i = 0; i < 2; i++) {
		int both[2];

		if (i == 1 && one) {
			ends[1] = ends[0];
			continue;
		}
		if (pipe2(both, O_CLOEXEC) != 0)
			return false;
		run->streams[i].from = both[0];
		ends[i] = both[1];
	}
	return true;
}

/* Processes that the command left running may still write: stay as a reader for them. */
static void exec_leave_behind(struct exec_run *run)
{
	if (!exec_is_open(run) || fork() != 0)
		return;
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &run->signals_before, NULL);
	while (exec_is_open(run))
		exec_turn(run, -1);
	_exit(0);
}

static void exec_catch_signals(struct exec_run *run)
{
	const struct sigaction plain = {.sa_handler = SIG_DFL}, ignored = {.sa_handler = SIG_IGN};
	sigset_t wanted;

	sigemptyset(&wanted);
	sigaddset(&wanted, SIGCHLD);
	for (size_t i = 0; i < sizeof(passed_on) / sizeof(passed_on[0]); i++)
		sigaddset(&wanted, passed_on[i]);
	sigprocmask(SIG_BLOCK, &wanted, &run->signals_before);
	sigaction(SIGCHLD, &plain, &run->child_before);
	sigaction(SIGPIPE, &ignored, &run->pipe_before);
	run->signals = signalfd(-1, &wanted, SFD_CLOEXEC);
}

/* Opens 0 to 2 if closed, or a pipe would get one of these numbers. */
static void exec_fill_standard(void)
{
	int fd = 0;

	while (fd >= 0 && fd <= STDERR_FILENO)
		fd = open("/dev/null", O_RDWR);
	if (fd >= 0)
		close(fd);
}

void exec_run(char *const *argv, struct exec_outcome *outcome)
{
	struct exec_run run = {
	        .outcome = outcome,
	        .streams = {{.from = -1, .to = STDOUT_FILENO}, {.from = -1, .to = STDERR_FILENO}},
	};
	int64_t started_ms = clock_monotonic_ms();
	int ends[2] = {-1, -1};

	*outcome = (struct exec_outcome){.wait_status = EXIT_NOT_EXECUTABLE << 8};
	exec_fill_standard();
	exec_catch_signals(&run);
	run.pid = run.signals >= 0 && exec_open_pipes(&run, ends) ? fork() : -1;
	if (run.pid == 0)
		exec_become(&run, argv, ends);
	if (run.pid < 0)
		outcome->error = strerror(errno);
	for (int i = 0; i < 2; i++)
		if (ends[i] >= 0 && (i == 0 || ends[1] != ends[0]))
			close(ends[i]);
	while (run.pid > 0 && !run.ended)
		exec_turn(&run, -1);
	outcome->duration_ms = clock_monotonic_ms() - started_ms;
	while (run.pid > 0 && exec_is_open(&run) && exec_turn(&run, 0))
		;
	exec_leave_behind(&run);
}

void exec_end(const struct exec_outcome *outcome)
{
	const struct rlimit none = {0};
	int number = WTERMSIG(outcome->wait_status);
	sigset_t one;

	fflush(stdout);
	if (WIFEXITED(outcome->wait_status))
		exit(WEXITSTATUS(outcome->wait_status));
	setrlimit(RLIMIT_CORE, &none); /* the command has dumped its own core already */
	signal(number, SIG_DFL);
	sigemptyset(&one);
	sigaddset(&one, number);
	raise(number);
	sigprocmask(SIG_UNBLOCK, &one, NULL);
	exit(128 + number);
}

/*
 * secret.c - see secret.h.
 *
 * A command runs in a process group of its own, with standard input from /dev/null; its output and
 * standard error are read until it has ended, even if its children keep the pipes open. Every
 * buffer that held a secret is wiped.
 */
#include "bot/config/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/text.h"

#define LOOK_MS 100          /* between two checks whether the process is stopping */
#define COMPLAINT_MAX 512    /* bytes kept of standard error */
#define COMPLAINT_POINTS 120 /* code points of it in a message */

/* Bytes read, up to a maximum; `more` is set when there was more. */
struct chunk {
	char data[SECRET_MAX + 1];
	size_t len, max;
	bool more;
};

/* Takes the first line of the bytes read. */
static enum err secret_take_line(
        const struct chunk *chunk, const char *where, char **out, struct fault *fault)
{
	const char *end = memchr(chunk->data, '\n', chunk->len);
	size_t len = end ? (size_t)(end - chunk->data) : chunk->len;

	if (!end && chunk->more)
		return fault_set(fault, ERR_TOO_LARGE, "%s: the first line is over %d bytes", where,
		        SECRET_MAX);
	if (len > 0 && chunk->data[len - 1] == '\r')
		len--;
	if (len == 0)
		return fault_set(fault, ERR_INVALID, "%s: the first line is empty", where);
	if (memchr(chunk->data, '\0', len))
		return fault_set(fault, ERR_INVALID, "%s: the first line has a NUL byte", where);
	*out = x_strndup(chunk->data, len);
	return OK;
}

/* Reads once; false at the end, or on an error other than EINTR and EAGAIN. */
static bool read_some(int fd, struct chunk *chunk)
{
	char rest[256];
	bool full = chunk->len == chunk->max;
	ssize_t len = full ? read(fd, rest, sizeof(rest))
	                   : read(fd, chunk->data + chunk->len, chunk->max - chunk->len);

	if (full) {
		chunk->more = chunk->more || len > 0;
		explicit_bzero(rest, sizeof(rest));
	} else if (len > 0) {
		chunk->len += (size_t)len;
	}
	return len > 0 || (len < 0 && (errno == EINTR || errno == EAGAIN));
}

/* --- files ---------------------------------------------------------------------------------- */

static enum err secret_read_file(const char *path, bool private, char **out, struct fault *fault)
{
	struct chunk chunk = {.max = SECRET_MAX};
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	enum err err;

	if (fd < 0)
		return fault_set(fault,
		        errno == EACCES   ? ERR_DENIED
		        : errno == ENOENT ? ERR_NOT_FOUND
		                          : ERR_IO,
		        "%s: %s", path, strerror(errno));
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		err = fault_set(fault, ERR_IO, "%s: is not a regular file", path);
	} else if (private && (st.st_mode & 077) != 0) {
		err = fault_set(fault, ERR_DENIED,
		        "%s: accessible by other users; run: chmod 600 %s", path, path);
	} else {
		while (!chunk.more && read_some(fd, &chunk))
			;
		err = secret_take_line(&chunk, path, out, fault);
	}
	close(fd);
	explicit_bzero(&chunk, sizeof(chunk));
	return err;
}

static atomic_bool stopping;

void secret_set_stopping(bool now)
{
	stopping = now;
}

/* --- commands ------------------------------------------------------------------------------- */

struct command {
	pid_t pid;
	int pidfd;
	int out, err; /* read ends of the pipes, -1 = closed */
	struct chunk text, complaint;
	int status;
};

/* Runs in the child: only async-signal-safe calls until exec. */
static _Noreturn void run_child(const char *command, int out, int err)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	sigset_t none;

	setpgid(0, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	signal(SIGXFSZ, SIG_DFL);
	if (null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0 &&
	        dup2(err, STDERR_FILENO) >= 0)
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	_exit(127);
}

static bool secret_start(struct command *command, const char *text)
{
	int out[2] = {-1, -1}, err[2] = {-1, -1};
	bool ready = pipe2(out, O_CLOEXEC) == 0 && pipe2(err, O_CLOEXEC) == 0 &&
	             fcntl(out[0], F_SETFL, O_NONBLOCK) == 0 &&
	             fcntl(err[0], F_SETFL, O_NONBLOCK) == 0;

	command->pid = ready ? fork() : -1;
	if (command->pid == 0)
		run_child(text, out[1], err[1]);
	close(out[1]);
	close(err[1]);
	command->out = out[0];
	command->err = err[0];
	if (command->pid < 0)
		return false;
	setpgid(command->pid, command->pid); /* in parent and child, since either may run first */
	command->pidfd = pidfd_open(command->pid, 0);
	return command->pidfd >= 0;
}

static void read_pipe(int *fd, short events, struct chunk *chunk)
{
	if (events != 0 && !read_some(*fd, chunk)) {
		close(*fd);
		*fd = -1;
	}
}

/* Waits at most wait_ms and reads what is available; false when nothing was. *ended: the command
 * has ended. */
static bool read_pipes(struct command *command, int64_t wait_ms, bool *ended)
{
	struct pollfd fds[] = {{command->out, POLLIN, 0}, {command->err, POLLIN, 0},
	        {*ended ? -1 : command->pidfd, POLLIN, 0}};

	if (poll(fds, 3, (int)wait_ms) <= 0)
		return false;
	*ended = *ended || fds[2].revents != 0;
	read_pipe(&command->out, fds[0].revents, &command->text);
	read_pipe(&command->err, fds[1].revents, &command->complaint);
	return true;
}

/* Reads until the command ends; false when that takes too long or the process is stopping. */
static bool secret_wait_for(struct command *command, int64_t timeout_ms)
{
	int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;
	int64_t left_ms = timeout_ms;
	bool ended = false;

	for (; !ended && left_ms > 0 && !stopping; left_ms = deadline_ms - clock_monotonic_ms())
		read_pipes(command, left_ms < LOOK_MS ? left_ms : LOOK_MS, &ended);
	/* what it wrote before it ended is in the pipes, which its children may keep open */
	while (ended && read_pipes(command, 0, &ended) && clock_monotonic_ms() < deadline_ms)
		;
	return ended;
}

/* Adds what the command wrote to standard error as one line; nothing if that contains the
 * secret. */
static void add_complaint(struct command *command, struct fault *fault)
{
	struct chunk *text = &command->text, *complaint = &command->complaint;
	const char *end = memchr(text->data, '\n', text->len);
	size_t len = end ? (size_t)(end - text->data) : text->len;
	struct buf line;

	complaint->data[complaint->len] = '\0';
	complaint->data[strcspn(complaint->data, "\r\n")] = '\0';
	if (complaint->data[0] == '\0' ||
	        (len > 0 && memmem(complaint->data, complaint->len, text->data, len)))
		return;
	buf_init(&line, COMPLAINT_MAX * 4);
	text_add_plain(&line, complaint->data, COMPLAINT_POINTS, TEXT_FOLD_NEWLINES);
	fault_set(fault, fault->code, "%s: %s", fault->text, buf_str(&line));
	buf_finish(&line);
}

static enum err secret_judge(
        struct command *command, const char *name, bool in_time, char **out, struct fault *fault)
{
	if (!in_time && stopping)
		return fault_set(fault, ERR_CANCELED, "%s: stopping", name);
	if (!in_time)
		return fault_set(fault, ERR_TIMEOUT, "%s: the command did not end in time", name);
	if (WIFSIGNALED(command->status))
		return fault_set(fault, ERR_IO, "%s: the command was ended by signal %d", name,
		        WTERMSIG(command->status));
	if (WEXITSTATUS(command->status) != 0)
		return fault_set(fault, ERR_IO, "%s: the command ended with exit code %d", name,
		        WEXITSTATUS(command->status));
	return secret_take_line(&command->text, name, out, fault);
}

static enum err read_command(
        const char *text, const char *name, int64_t timeout_ms, char **out, struct fault *fault)
{
	struct command command = {
	        .pidfd = -1, .text.max = SECRET_MAX, .complaint.max = COMPLAINT_MAX};
	bool in_time = false;
	enum err err;

	if (!secret_start(&command, text)) {
		err = fault_set(
		        fault, ERR_IO, "%s: no process for the command: %s", name, strerror(errno));
	} else {
		in_time = secret_wait_for(&command, timeout_ms);
		err = OK;
	}
	if (command.pid > 0) {
		if (!in_time)
			kill(-command.pid, SIGKILL);
		while (waitpid(command.pid, &command.status, 0) < 0 && errno == EINTR)
			;
	}
	if (err == OK) {
		struct fault own = {0};

		err = secret_judge(&command, name, in_time, out, &own);
		if (err != OK) {
			add_complaint(&command, &own);
			fault_set(fault, err, "%s", own.text);
		}
	}
	if (command.out >= 0)
		close(command.out);
	if (command.err >= 0)
		close(command.err);
	if (command.pidfd >= 0)
		close(command.pidfd);
	explicit_bzero(&command, sizeof(command));
	return err;
}

/* --- both ----------------------------------------------------------------------------------- */

static struct {
	char name[32];
	char *value;
} offers[8];

void secret_offer(const char *credential, const char *value)
{
	size_t i = 0;

	while (i < sizeof(offers) / sizeof(offers[0]) - 1 && offers[i].name[0] &&
	        strcmp(offers[i].name, credential) != 0)
		i++;
	snprintf(offers[i].name, sizeof(offers[i].name), "%s", credential);
	x_wipe_free_str(offers[i].value);
	offers[i].value = x_strdup_opt(value);
}

static const char *secret_offered(const char *credential)
{
	for (size_t i = 0; i < sizeof(offers) / sizeof(offers[0]); i++)
		if (strcmp(offers[i].name, credential) == 0)
			return offers[i].value;
	return NULL;
}

enum err secret_read_credential(
        const char *folder, const char *credential, char **out, struct fault *fault)
{
	char *path = x_asprintf("%s/%s", folder, credential);
	/* systemd restricts such folders; the modes of their files do not matter */
	enum err err = secret_read_file(path, false, out, fault);

	free(path);
	return err;
}

static enum err read_credential(const char *name, char **out, struct fault *fault)
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY"), *offered = secret_offered(name);

	*out = x_strdup_opt(offered);
	if (offered)
		return OK;
	if (!folder || !*folder)
		return fault_set(fault, ERR_NOT_FOUND,
		        "%s: no command and no file is configured for it, and there is no "
		        "credential",
		        name);
	return secret_read_credential(folder, name, out, fault);
}

enum err secret_read_within(const struct config_secret *secret, const char *credential,
        int64_t timeout_ms, char **out, struct fault *fault)
{
	*out = NULL;
	if (secret->command)
		return read_command(secret->command, credential, timeout_ms, out, fault);
	if (secret->file)
		return secret_read_file(secret->file, true, out, fault);
	return read_credential(credential, out, fault);
}

enum err secret_read(
        const struct config_secret *secret, const char *credential, char **out, struct fault *fault)
{
	return secret_read_within(secret, credential, SECRET_TIMEOUT_MS, out, fault);
}

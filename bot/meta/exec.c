/*
 * exec.c - see exec.h.
 *
 * A run owns three handles: the process, the pipe for its output, and the timer of its limits. It
 * ends when the process has ended, even if a child still keeps the pipe open; then the handles are
 * closed, and afterwards the next run begins.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/queue.h>
#include <unistd.h>
#include "bot/base/alloc.h"
#include "bot/base/argv.h"
#include "bot/base/buf.h"
#include "bot/base/log.h"
#include "bot/base/text.h"
#include "bot/meta/exec.h"

#define WAITING_MAX 16
#define OUTPUT_MAX 2000   /* bytes kept */
#define OUTPUT_POINTS 400 /* characters shown in the log */
#define DRAIN_MAX 64      /* reads of remaining output at the end */
#define KILL_MS 5000      /* between SIGTERM and SIGKILL */
#define CLOSE_MS 1500     /* for a running command at a stop */

struct waiting {
	STAILQ_ENTRY(waiting) link; /* exec::queue */
	char *text;
};

struct run {
	struct exec *exec;
	uv_process_t process;
	uv_pipe_t output;
	uv_timer_t timer;
	unsigned handles; /* not yet closed */
	char chunk[4096];
	struct buf kept; /* the start of its output */
	bool spawned;    /* the process handle is initialized */
	bool late;       /* got SIGTERM at its time limit */
};

struct exec {
	uv_loop_t *loop;
	char *command; /* or NULL */
	int64_t limit_ms;
	STAILQ_HEAD(, waiting) queue;
	unsigned waiting; /* in the queue */
	struct run *run;  /* or NULL */
	bool closing;
	void (*closed)(void *arg);
	void *closed_arg;
};

static void exec_next(struct exec *exec);

/* --- the end of a run --------------------------------------------------------------------- */

static void exec_on_handle_closed(uv_handle_t *handle)
{
	struct run *run = handle->data;
	struct exec *exec = run->exec;

	if (--run->handles > 0)
		return;
	buf_finish(&run->kept);
	free(run);
	exec->run = NULL;
	exec_next(exec);
}

static void run_close(struct run *run)
{
	if (run->spawned)
		uv_close((uv_handle_t *)&run->process, exec_on_handle_closed);
	uv_close((uv_handle_t *)&run->output, exec_on_handle_closed);
	uv_close((uv_handle_t *)&run->timer, exec_on_handle_closed);
}

static void run_keep(struct run *run, const char *data, size_t len)
{
	size_t room = OUTPUT_MAX - run->kept.len;

	buf_add(&run->kept, data, len < room ? len : room);
}

/* A process that was not spawned has pid 0, and kill(0) would hit our own group. */
static void run_kill(const struct run *run, int number)
{
	if (run->process.pid > 0)
		kill(-run->process.pid, number);
}

/* Reads output that may still be in the pipe after the end. */
static void run_drain(struct run *run)
{
	uv_os_fd_t fd;
	ssize_t len;

	if (uv_fileno((uv_handle_t *)&run->output, &fd) != 0)
		return;
	for (int i = 0; i < DRAIN_MAX; i++) {
		len = read(fd, run->chunk, sizeof(run->chunk));
		if (len <= 0)
			return;
		run_keep(run, run->chunk, (size_t)len);
	}
}

/* Logs in one line how the command ended, with its output. */
static void run_log(struct run *run, int64_t status, int number)
{
	bool good = status == 0 && number == 0;
	struct buf said;

	buf_init(&said, 4 * OUTPUT_MAX);
	if (run->kept.len > 0) {
		buf_add_str(&said, ": ");
		text_add_plain(&said, buf_str(&run->kept), OUTPUT_POINTS, TEXT_FOLD_NEWLINES);
	}
	if (run->late)
		log_error("meta", "exec: took too long, killed%s", buf_str(&said));
	else if (number != 0)
		log_error("meta", "exec: ended by signal %d%s", number, buf_str(&said));
	else
		log_write(good ? LOG_INFO : LOG_ERROR, "meta", "exec: ended with exit code %lld%s",
		        (long long)status, buf_str(&said));
	buf_finish(&said);
}

static void on_exit_cb(uv_process_t *process, int64_t status, int number)
{
	struct run *run = process->data;

	if (run->late) /* and its child processes */
		run_kill(run, SIGKILL);
	run_drain(run);
	run_log(run, status, number);
	run_close(run);
}

static void exec_on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct run *run = handle->data;

	*buf = uv_buf_init(run->chunk, sizeof(run->chunk));
}

static void exec_on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buf)
{
	struct run *run = stream->data;

	if (len > 0)
		run_keep(run, buf->base, (size_t)len);
	else if (len < 0)
		uv_read_stop(stream);
}

static void exec_on_timer(uv_timer_t *timer)
{
	struct run *run = timer->data;
	bool last = run->late || run->exec->closing;

	run_kill(run, last ? SIGKILL : SIGTERM);
	run->late = true;
	if (!last)
		uv_timer_start(timer, exec_on_timer, KILL_MS, 0);
}

/* --- the start of a run ------------------------------------------------------------------- */

static bool is_ours_alone(const char *variable)
{
	static const char *const names[] = {"CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "LISTEN_FDS",
	        "LISTEN_PID", "LISTEN_FDNAMES", "WATCHDOG_USEC", "WATCHDOG_PID"};
	size_t len = strcspn(variable, "=");

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == len && strncmp(variable, names[i], len) == 0)
			return true;
	return false;
}

/* The list is owned by the caller, its strings are borrowed. */
static char **exec_environment(void)
{
	size_t len = 0, used = 0;
	char **list;

	while (environ[len])
		len++;
	list = x_calloc(len + 1, sizeof(*list));
	for (size_t i = 0; i < len; i++)
		if (!is_ours_alone(environ[i]))
			list[used++] = environ[i];
	return list;
}

/* Creates a memory file with the text as lines, positioned at its start. 0, or a libuv error
 * code. */
static int text_file(const char *text, int *fd)
{
	char *lines = x_asprintf("%s\n", text);
	size_t len = strlen(lines);
	ssize_t written = -1;
	int error;

	*fd = memfd_create("alarm", MFD_CLOEXEC);
	if (*fd >= 0)
		written = write(*fd, lines, len);
	error = errno; /* before another call changes it */
	free(lines);
	if (written < 0)
		return uv_translate_sys_error(error);
	return written == (ssize_t)len && lseek(*fd, 0, SEEK_SET) == 0 ? 0 : UV_EIO;
}

/* 0, or a libuv error code. */
static int run_spawn(struct run *run, char **words, int input, int output)
{
	uv_stdio_container_t stdio[] = {
	        {.flags = UV_INHERIT_FD, .data.fd = input},
	        {.flags = UV_INHERIT_FD, .data.fd = output},
	        {.flags = UV_INHERIT_FD, .data.fd = output},
	};
	char **env = exec_environment();
	uv_process_options_t options = {
	        .exit_cb = on_exit_cb,
	        .file = words[0],
	        .args = words,
	        .env = env,
	        .flags = UV_PROCESS_DETACHED, /* in its own process group */
	        .stdio_count = 3,
	        .stdio = stdio,
	};
	int result = uv_spawn(run->exec->loop, &run->process, &options);

	free(env);
	return result;
}

/* Opens the command's input and output, and starts it. 0, or a libuv error code. */
static int run_begin(struct run *run, const char *text)
{
	char **words = NULL;
	struct fault fault = {0};
	int input, ends[2] = {-1, -1}, result = text_file(text, &input);

	if (result != 0)
		goto out;
	if (pipe2(ends, O_CLOEXEC) != 0) {
		result = uv_translate_sys_error(errno);
		goto out;
	}
	result = uv_pipe_open(&run->output, ends[0]);
	if (result != 0) {
		close(ends[0]);
		goto out;
	}
	if (argv_split(run->exec->command, &words, &fault) != OK) {
		result = UV_EINVAL; /* the config's validation ensures that it parses */
		goto out;
	}
	run->handles++; /* the process handle, also after a failed spawn */
	run->spawned = true;
	result = run_spawn(run, words, input, ends[1]);
out:
	if (ends[1] >= 0)
		close(ends[1]);
	if (input >= 0)
		close(input);
	argv_free(words);
	return result;
}

static void run_start(struct exec *exec, const char *text)
{
	struct run *run = x_calloc(1, sizeof(*run));
	int result;

	exec->run = run;
	run->exec = exec;
	run->process.data = run->output.data = run->timer.data = run;
	buf_init(&run->kept, OUTPUT_MAX);
	uv_pipe_init(exec->loop, &run->output, 0);
	uv_timer_init(exec->loop, &run->timer);
	run->handles = 2;
	result = run_begin(run, text);
	if (result != 0) {
		log_error("meta", "exec: cannot start: %s", uv_strerror(result));
		run_close(run);
		return;
	}
	uv_read_start((uv_stream_t *)&run->output, exec_on_alloc, exec_on_read);
	uv_timer_start(&run->timer, exec_on_timer, (uint64_t)exec->limit_ms, 0);
}

/* --- the queue, creation and closing ------------------------------------------------------ */

static void waiting_drop(struct exec *exec)
{
	struct waiting *waiting = STAILQ_FIRST(&exec->queue);

	STAILQ_REMOVE_HEAD(&exec->queue, link);
	exec->waiting--;
	free(waiting->text);
	free(waiting);
}

static void exec_free(struct exec *exec)
{
	void (*closed)(void *arg) = exec->closed;
	void *arg = exec->closed_arg;

	free(exec->command);
	free(exec);
	closed(arg);
}

/* Starts the next run, or finishes closing; call when no run is in progress. */
static void exec_next(struct exec *exec)
{
	struct waiting *first = STAILQ_FIRST(&exec->queue);

	if (exec->closing) {
		exec_free(exec);
	} else if (first && !exec->command) { /* removed by a reload */
		while (!STAILQ_EMPTY(&exec->queue))
			waiting_drop(exec);
	} else if (first) {
		run_start(exec, first->text);
		waiting_drop(exec);
	}
}

struct exec *exec_create(uv_loop_t *loop, const char *command, int64_t limit_ms)
{
	struct exec *exec = x_calloc(1, sizeof(*exec));

	exec->loop = loop;
	exec->command = x_strdup_opt(command);
	exec->limit_ms = limit_ms;
	STAILQ_INIT(&exec->queue);
	return exec;
}

void exec_configure(struct exec *exec, const char *command)
{
	free(exec->command);
	exec->command = x_strdup_opt(command);
}

void exec_run(struct exec *exec, const char *text)
{
	struct waiting *waiting;

	assert(!exec->closing);
	if (!exec->command)
		return;
	if (exec->waiting >= WAITING_MAX) {
		log_error("meta", "exec: %d reports are waiting already; dropped this one",
		        WAITING_MAX);
		return;
	}
	waiting = x_calloc(1, sizeof(*waiting));
	waiting->text = x_strdup(text);
	STAILQ_INSERT_TAIL(&exec->queue, waiting, link);
	exec->waiting++;
	if (!exec->run)
		exec_next(exec);
}

void exec_close(struct exec *exec, void (*closed)(void *arg), void *arg)
{
	assert(!exec->closing);
	exec->closing = true;
	exec->closed = closed;
	exec->closed_arg = arg;
	if (exec->waiting > 0)
		log_warning(
		        "meta", "exec: %u reports were not sent before the stop", exec->waiting);
	while (!STAILQ_EMPTY(&exec->queue))
		waiting_drop(exec);
	if (!exec->run)
		exec_free(exec);
	else if (uv_is_active((uv_handle_t *)&exec->run->process))
		uv_timer_start(&exec->run->timer, exec_on_timer, CLOSE_MS, 0);
}

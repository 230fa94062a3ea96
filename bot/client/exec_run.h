/*
 * exec_run.h - runs a command whose output, signals and exit pass through unchanged, and keeps the
 * end of what it wrote. None of it needs a daemon.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXEC_TAIL_MAX 4096 /* bytes of output, both streams together */

struct exec_outcome {
	int wait_status; /* of waitpid(2) */
	int64_t duration_ms;
	char tail[EXEC_TAIL_MAX]; /* the end of its output; not NUL-terminated */
	size_t tail_len;
	bool cut;          /* output before it was dropped */
	const char *error; /* why it could not be started (static or of strerror(3)); else NULL */
};

/*
 * argv as in execvp(3). Standard input, output and error are those of this process; the order of
 * output and errors is kept where both go to the same place. Signals sent to this process are
 * passed on. A command that cannot be executed ends with 127 (not found) or 126, as in a shell.
 * Processes that it leaves running keep their output: a child of this process stays for them.
 */
void exec_run(char *const *argv, struct exec_outcome *outcome);

/* Ends this process as the command ended: with its exit code, or by its signal. */
void exec_end(const struct exec_outcome *outcome) __attribute__((noreturn));

/*
 * exec_run.h - runs a command whose output, signals and exit pass through unchanged, and keeps the
 * end of what it wrote. No daemon is needed for any of it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXEC_TAIL_MAX 4096 /* bytes of output, both streams together */

struct exec_outcome {
	int wait_status; /* of waitpid(2) */
	int64_t duration_ms;
	char tail[EXEC_TAIL_MAX]; /* the end of its output; not terminated */
	size_t tail_len;
	bool cut;          /* there was more before it */
	const char *error; /* static or of strerror(3): it was not even started; else NULL */
};

/*
 * argv as of execvp(3). Its standard input is ours; its output and errors come from ours, in their
 * order where both go to the same place. Signals that somebody sends to this process reach the
 * command. A command that cannot be executed ends with 127 (not found) or 126, as in a shell.
 * What it leaves running keeps its output: a process of ours stays for that.
 */
void exec_run(char *const *argv, struct exec_outcome *outcome);

/* Ends this process as the command ended: by its exit code, or by its signal. */
void exec_end(const struct exec_outcome *outcome) __attribute__((noreturn));

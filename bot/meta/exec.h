/*
 * exec.h - runs the command of [meta] exec with a text on its standard input: no shell, a time
 * limit, one at a time.
 *
 * Happy path: the command reads the text and exits with 0, which is logged. Failures: that it
 * cannot be started, another exit code and the start of its output are logged. A command that
 * exceeds the time limit gets SIGTERM and some seconds later SIGKILL, with its whole process group.
 * The text is passed in a memory file, so that a command which does not read it blocks nothing. The
 * environment lacks what systemd passed to the daemon only (credentials, the notify socket, file
 * descriptors).
 */
#pragma once

#include <stdint.h>
#include <uv.h>

struct exec;

/* command: split into words by bot/base/argv.h; NULL = none, then nothing is run. Copied.
 * limit_ms: the time limit of a run. */
struct exec *exec_create(uv_loop_t *loop, const char *command, int64_t limit_ms);
void exec_configure(struct exec *exec, const char *command);
/* Runs the command with the text (copied), after the runs before it have ended; a few wait at
 * most, more are dropped with an error in the log. */
void exec_run(struct exec *exec, const char *text);
/* A running command gets a moment to end, and waiting runs are dropped; then calls closed(arg)
 * once and frees. closed() may run before this returns. */
void exec_close(struct exec *exec, void (*closed)(void *arg), void *arg);

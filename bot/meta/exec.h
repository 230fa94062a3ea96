/*
 * exec.h - runs the command of [meta] exec with a text on its standard input: no shell, a time
 * limit, one at a time.
 *
 * Happy path: the command reads the text, ends with 0, the log says so. What else it does is told
 * in the log too: that it cannot be started, its exit code, the start of its output. One that
 * takes too long gets SIGTERM, some seconds later SIGKILL, with all of its process group.
 * The text is a file in memory, so that a command that does not read it holds up nobody. What
 * systemd gave to us alone (credentials, the notify socket, file descriptors) is not in its
 * environment.
 */
#pragma once

#include <stdint.h>
#include <uv.h>

struct exec;

/* command: in words as of bot/base/argv.h; NULL = none, then nothing is run. Copied. */
struct exec *exec_create(uv_loop_t *loop, const char *command, int64_t limit_ms);
void exec_configure(struct exec *exec, const char *command);
/* Runs it, or does so when those before have ended; a few wait at most, more are dropped with an
 * error in the log. Copied. */
void exec_run(struct exec *exec, const char *text);
/* One that runs gets a few seconds, what waits is dropped; then calls closed(arg) once and frees.
 * closed() may run before this returns. */
void exec_close(struct exec *exec, void (*closed)(void *arg), void *arg);

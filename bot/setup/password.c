/*
 * password.c - see password.h.
 *
 * While the echo is off, signals that would end or stop the program are only recorded, and are
 * delivered only in ppoll(), so that none is missed just before the wait. The terminal is restored
 * first, then the signal is raised again.
 */
#include "bot/setup/password.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#include "bot/base/alloc.h"

static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};

#define SIGNALS_LEN (sizeof(signals) / sizeof(signals[0]))

static volatile sig_atomic_t caught; /* global, since a signal handler has no argument */

static void password_on_signal(int number)
{
	caught = number;
}

/* Reads a byte; a mask, if given, is in force while waiting for one. */
static ssize_t read_byte(const sigset_t *mask, char *c)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};

	if (mask && ppoll(&input, 1, NULL, mask) < 0)
		return -1;
	return read(STDIN_FILENO, c, 1);
}

static enum err read_line(const sigset_t *mask, char **out, struct fault *fault)
{
	char line[PASSWORD_MAX + 1];
	size_t len = 0;
	enum err err = OK;
	char c = '\0';

	*out = NULL;
	/* byte by byte, since what follows the line is not for this function */
	for (;;) {
		ssize_t got = read_byte(mask, &c);

		if (got < 0 && errno == EINTR && !caught)
			continue;
		if (got < 0) {
			err = errno == EINTR ? fault_set(fault, ERR_CANCELED, "canceled")
			                     : fault_set(fault, ERR_IO, "standard input: %s",
			                               strerror(errno));
			break;
		}
		if (got == 0 && len == 0 &&
		        mask) /* not an empty line, which may be asked for again */
			err = fault_set(fault, ERR_CANCELED, "the input ended");
		if (got == 0 || c == '\n')
			break;
		if (c == '\0') {
			err = fault_set(fault, ERR_INVALID, "the password has a NUL byte");
			break;
		}
		if (len == PASSWORD_MAX) {
			err = fault_set(fault, ERR_TOO_LARGE, "the password is over %d bytes",
			        PASSWORD_MAX);
			break;
		}
		line[len++] = c;
	}
	if (err == OK && len > 0 && line[len - 1] == '\r')
		len--;
	if (err == OK && len == 0)
		err = fault_set(fault, ERR_INVALID, "the password is empty");
	if (err == OK)
		*out = x_strndup(line, len);
	explicit_bzero(line, sizeof(line));
	explicit_bzero(&c, sizeof(c));
	return err;
}

enum err password_read(char **out, struct fault *fault)
{
	return read_line(NULL, out, fault);
}

enum err password_ask(const char *prompt, char **out, struct fault *fault)
{
	struct sigaction act = {.sa_handler = password_on_signal}, old[SIGNALS_LEN];
	struct termios saved, silent;
	sigset_t blocked, mask;
	enum err err;

	*out = NULL;
	if (tcgetattr(STDIN_FILENO, &saved) != 0)
		return fault_set(fault, ERR_UNSUPPORTED, "standard input is not a terminal");
	caught = 0;
	sigemptyset(&act.sa_mask);
	sigemptyset(&blocked);
	for (size_t i = 0; i < SIGNALS_LEN; i++) {
		sigaddset(&blocked, signals[i]);
		sigaction(signals[i], &act, &old[i]);
	}
	sigprocmask(SIG_BLOCK, &blocked, &mask);
	silent = saved;
	silent.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
	silent.c_lflag |= ICANON | ISIG;
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
	fprintf(stderr, "%s", prompt);
	fflush(stderr);
	err = read_line(&mask, out, fault);
	fprintf(stderr, "\n");
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &saved);
	for (size_t i = 0; i < SIGNALS_LEN; i++)
		sigaction(signals[i], &old[i], NULL);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	if (caught)
		raise(caught);
	return err;
}

/*
 * matrix_telemetry.h - hand one alert to matrix-telemetry-bot from C or C++, with nothing but the C
 * library:
 *
 *	char answer[512];
 *
 *	if (matrix_telemetry_send(NULL, line, answer, sizeof(answer)) != 0)
 *		fprintf(stderr, "alert not delivered: %s\n", answer);
 *
 * where line is {"op":"alert","app":"dag_engine","kind":"dag_failed","run_id":"r-82",…}.
 *
 * MIT license.
 */
#pragma once

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define MATRIX_TELEMETRY_SOCKET "/run/matrix-telemetry-bot/socket"
#define MATRIX_TELEMETRY_TIMEOUT_S 10

/*
 * Sends one request, a JSON object without a newline in it, and waits for its answer: the alert is
 * durable then. path NULL is MATRIX_TELEMETRY_SOCKET. answer[size] gets the daemon's line without
 * its newline, cut if it is longer, or the reason when there was none.
 *
 * Returns 0 when the daemon took it, 1 when it refused it, -1 with errno when it could not be
 * asked: then matrix-send-message, which has a spool, is the way to lose nothing. Safe in threads;
 * blocks for at most MATRIX_TELEMETRY_TIMEOUT_S per step.
 */
static inline int matrix_telemetry_send(
        const char *path, const char *request, char *answer, size_t size)
{
	struct sockaddr_un address;
	const struct timeval limit = {MATRIX_TELEMETRY_TIMEOUT_S, 0};
	const char *const parts[] = {request, "\n"};
	size_t len = 0;
	int result = -1, saved;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (!path)
		path = MATRIX_TELEMETRY_SOCKET;
	if (fd < 0)
		goto out;
	if (strlen(path) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		goto out;
	}
	memset(&address, 0, sizeof(address));
	address.sun_family = AF_UNIX;
	strcpy(address.sun_path, path);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
		goto out;
	for (int i = 0; i < 2; i++)
		for (size_t sent = 0; sent < strlen(parts[i]);) {
			ssize_t count =
			        send(fd, parts[i] + sent, strlen(parts[i]) - sent, MSG_NOSIGNAL);

			if (count < 0 && errno == EINTR)
				continue;
			if (count < 0)
				goto out;
			sent += (size_t)count;
		}
	while (len + 1 < size) {
		ssize_t count = recv(fd, answer + len, size - 1 - len, 0);
		char *end;

		if (count < 0 && errno == EINTR)
			continue;
		if (count == 0)
			errno = ECONNRESET;
		if (count <= 0)
			goto out;
		end = (char *)memchr(answer + len, '\n', (size_t)count);
		len += (size_t)count;
		if (end) {
			len = (size_t)(end - answer);
			break;
		}
	}
	if (size > 0)
		answer[len] = '\0';
	result = size > 0 && strncmp(answer, "{\"ok\":true", 10) == 0 ? 0 : 1;
out:
	saved = errno;
	if (fd >= 0)
		close(fd);
	if (result < 0 && size > 0)
		snprintf(answer, size, "%s: %s", path, strerror(saved));
	errno = saved;
	return result;
}

/*
 * notify.c - see notify.h. Sends each message as a datagram on its own socket, because
 * sd_notify(3) blocks for ever when nobody reads, and the loop must not. Changes of state may wait
 * a moment; status and watchdog messages are dropped instead, since they are repeated soon.
 */
#include "bot/loop/notify.h"

#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include "bot/base/log.h"

#define STATE_WAIT_MS 50

static void notify_send(const char *text, int wait_ms)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const char *name = getenv("NOTIFY_SOCKET");
	size_t len = name ? strlen(name) : 0;
	struct pollfd fd = {.events = POLLOUT};

	if (len < 2 || len >= sizeof(address.sun_path) || (*name != '/' && *name != '@'))
		return;
	memcpy(address.sun_path, name, len);
	if (*name == '@')
		address.sun_path[0] = '\0';
	fd.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd.fd < 0)
		return;
	if (connect(fd.fd, (struct sockaddr *)&address,
	            (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) == 0 &&
	        (poll(&fd, 1, wait_ms) != 1 || send(fd.fd, text, strlen(text), MSG_NOSIGNAL) < 0))
		log_seldom(LOG_WARNING, "bot", "", "systemd does not read $NOTIFY_SOCKET");
	close(fd.fd);
}

void notify_ready(void)
{
	notify_send("READY=1", STATE_WAIT_MS);
}

void notify_reloading(void)
{
	struct timespec now;
	char text[64];

	/* required by Type=notify-reload: the start of the reload by the monotonic clock */
	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
	        (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
	notify_send(text, STATE_WAIT_MS);
}

void notify_stopping(void)
{
	notify_send("STOPPING=1", STATE_WAIT_MS);
}

void notify_alive(void)
{
	notify_send("WATCHDOG=1", 0);
}

void notify_status(const char *format, ...)
{
	char text[256] = "STATUS=";
	va_list args;

	va_start(args, format);
	vsnprintf(text + strlen(text), sizeof(text) - strlen(text), format, args);
	va_end(args);
	notify_send(text, 0);
}

int64_t notify_watchdog_ms(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");

	if (!usec || (pid && strtoll(pid, NULL, 10) != getpid()))
		return 0;
	return strtoll(usec, NULL, 10) / 2000;
}

/*
 * socket.c - see socket.h. The daemon may be slow: connecting, sending and receiving all have a
 * timeout.
 */
#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>
#include "bot/base/alloc.h"
#include "bot/base/buf.h"
#include "bot/base/clock.h"
#include "bot/client/socket.h"

#define ANSWER_MAX (8 * 1024 * 1024)
#define CHUNK (16 * 1024)

struct client {
	int fd;
	struct buf in;  /* received, not yet returned */
	size_t scanned; /* bytes of it known to hold no newline */
};

/* Why it may not be used, and the way out. */
static enum err socket_denied(const char *path, struct fault *fault)
{
	struct stat st;
	const struct group *group = stat(path, &st) == 0 ? getgrgid(st.st_gid) : NULL;

	if (!group)
		return fault_set(fault, ERR_DENIED, "no permission to use %s", path);
	return fault_set(fault, ERR_DENIED,
	        "no permission to use %s: add this user to the group %s (adduser USER %s), and log "
	        "in anew",
	        path, group->gr_name, group->gr_name);
}

static enum err socket_open_failed(const char *path, struct fault *fault)
{
	switch (errno) {
	case ENOENT:
	case ECONNREFUSED:
		return fault_set(fault, errno == ENOENT ? ERR_NOT_FOUND : ERR_NET,
		        "no daemon listens on %s: start it (systemctl start matrix-telemetry-bot)",
		        path);
	case EACCES:
	case EPERM:
		return socket_denied(path, fault);
	default:
		return fault_set(fault, ERR_NET, "cannot connect to %s: %s", path, strerror(errno));
	}
}

enum err client_open(struct client **out, const char *path, int64_t timeout_ms, struct fault *fault)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const struct timeval timeout = {.tv_sec = timeout_ms / 1000,
	        .tv_usec = timeout_ms % 1000 * 1000 + 1}; /* 0 would mean no timeout */

	*out = NULL;
	if (strlen(path) >= sizeof(address.sun_path))
		return fault_set(fault, ERR_CONFIG, "the socket's path is too long: %.100s…", path);
	strcpy(address.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return socket_open_failed(path, fault);
	/* also bounds connect(2), which blocks while the daemon's backlog is full */
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == -1) {
		enum err err = socket_open_failed(path, fault);
		close(fd);
		return err;
	}
	struct client *client = x_calloc(1, sizeof(*client));
	client->fd = fd;
	buf_init(&client->in, ANSWER_MAX);
	*out = client;
	return OK;
}

void client_close(struct client *client)
{
	if (!client)
		return;
	close(client->fd);
	buf_finish(&client->in);
	free(client);
}

enum err client_send(struct client *client, const json_t *request, struct fault *fault)
{
	struct buf line;
	enum err err = OK;
	char *text = json_dumps(request, JSON_COMPACT);

	if (!text)
		return fault_set(fault, ERR_INVALID, "the request is not valid UTF-8");
	buf_init(&line, ANSWER_MAX);
	buf_add_str(&line, text);
	buf_add_char(&line, '\n');
	free(text);
	for (size_t sent = 0; sent < line.len && err == OK;) {
		ssize_t count = send(client->fd, line.data + sent, line.len - sent, MSG_NOSIGNAL);
		if (count >= 0)
			sent += (size_t)count;
		else if (errno != EINTR)
			err = fault_set(fault, errno == EAGAIN ? ERR_TIMEOUT : ERR_NET,
			        "cannot send: %s", strerror(errno));
	}
	buf_finish(&line);
	return err;
}

/* Removes the first line from the buffer; false when it is incomplete. */
static bool socket_take_line(
        struct client *client, json_t **answer, enum err *err, struct fault *fault)
{
	json_error_t error;
	struct buf *in = &client->in;
	char *end = in->len > client->scanned
	                    ? memchr(in->data + client->scanned, '\n', in->len - client->scanned)
	                    : NULL;

	if (!end) {
		client->scanned = in->len;
		return false;
	}
	size_t len = (size_t)(end - in->data);
	*answer = json_loadb(in->data, len, 0, &error);
	buf_drop(in, len + 1);
	client->scanned = 0;
	*err = OK;
	if (!json_is_object(*answer)) {
		json_decref(*answer);
		*answer = NULL;
		*err = fault_set(fault, ERR_PROTO, "the daemon's answer is not a JSON object");
	}
	return true;
}

enum err client_receive(
        struct client *client, int64_t timeout_ms, json_t **answer, struct fault *fault)
{
	int64_t until_ms = clock_monotonic_ms() + timeout_ms;
	char chunk[CHUNK];
	enum err err;

	*answer = NULL;
	while (!socket_take_line(client, answer, &err, fault)) {
		struct pollfd fd = {.fd = client->fd, .events = POLLIN};
		int64_t left_ms = until_ms - clock_monotonic_ms();

		if (timeout_ms >= 0 && left_ms < 0)
			return fault_set(fault, ERR_TIMEOUT, "no answer in time");
		int ready = poll(
		        &fd, 1, timeout_ms < 0 ? -1 : (int)(left_ms < 60000 ? left_ms : 60000));
		if (ready == 0 && timeout_ms >= 0 && until_ms <= clock_monotonic_ms())
			return fault_set(fault, ERR_TIMEOUT, "no answer in time");
		if (ready <= 0)
			continue;
		ssize_t count = recv(client->fd, chunk, sizeof(chunk), 0);
		if (count == -1 && errno == EINTR)
			continue;
		if (count <= 0)
			return fault_set(fault, ERR_NET, "the daemon closed the connection");
		buf_add(&client->in, chunk, (size_t)count);
		if (client->in.overflow)
			return fault_set(fault, ERR_TOO_LARGE, "the answer is too large");
	}
	return err;
}

enum err client_call(struct client *client, const json_t *request, int64_t timeout_ms,
        json_t **answer, struct fault *fault)
{
	struct fault send_fault;
	enum err err = client_send(client, request, &send_fault);

	/* a daemon that rejects the connection sends the reason before it closes */
	if (err == OK || err == ERR_NET)
		err = client_receive(client, timeout_ms, answer, fault);
	else
		*fault = send_fault;
	return err;
}

const char *client_text(const json_t *answer, const char *name)
{
	const char *text = json_string_value(json_object_get(answer, name));

	return text ? text : "";
}

void client_print(const json_t *answer)
{
	char *text = json_dumps(answer, JSON_COMPACT);

	puts(text);
	free(text);
}

int client_fd(const struct client *client)
{
	return client->fd;
}

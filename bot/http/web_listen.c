/*
 * web_listen.c - creates the descriptor for [http] listen.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "bot/http/web_internal.h"

/* Parses "127.0.0.1:9400" or "[::1]:9400". */
static bool read_address(const char *text, struct sockaddr_storage *address, socklen_t *size)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;
	const char *colon = strrchr(text, ':');
	char host[64];
	size_t len;
	long port;

	if (!colon)
		return false;
	port = strtol(colon + 1, NULL, 10);
	len = (size_t)(colon - text);
	if (port < 0 || port > 65535 || len >= sizeof(host))
		return false;
	memset(address, 0, sizeof(*address));
	if (text[0] == '[' && len > 2 && text[len - 1] == ']') {
		snprintf(host, sizeof(host), "%.*s", (int)len - 2, text + 1);
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)port);
		*size = sizeof(*v6);
		return inet_pton(AF_INET6, host, &v6->sin6_addr) == 1;
	}
	snprintf(host, sizeof(host), "%.*s", (int)len, text);
	v4->sin_family = AF_INET;
	v4->sin_port = htons((uint16_t)port);
	*size = sizeof(*v4);
	return inet_pton(AF_INET, host, &v4->sin_addr) == 1;
}

static bool web_is_loopback(const struct sockaddr_storage *address)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;

	return address->ss_family == AF_INET ? (ntohl(v4->sin_addr.s_addr) >> 24) == 127
	                                     : IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

enum err web_listen(
        const struct tokens *tokens, const char *listen_on, int *fd, struct fault *fault)
{
	struct sockaddr_storage address;
	socklen_t size;
	int on = 1;

	*fd = -1;
	if (!listen_on)
		return OK;
	if (!read_address(listen_on, &address, &size))
		return fault_set(
		        fault, ERR_CONFIG, "[http] listen = %s is not ADDRESS:PORT", listen_on);
	if (!web_is_loopback(&address) && tokens->len == 0)
		return fault_set(fault, ERR_CONFIG,
		        "[http] listen = %s is open to other machines: set token_file or tokens",
		        listen_on);
	*fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (*fd == -1 || setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	        bind(*fd, (struct sockaddr *)&address, size) != 0 || listen(*fd, 1024) != 0) {
		fault_set(fault, ERR_IO, "[http] cannot listen on %s: %s", listen_on,
		        strerror(errno));
		if (*fd != -1)
			close(*fd);
		return ERR_IO;
	}
	return OK;
}

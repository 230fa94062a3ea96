/*
 * socket.h - a blocking client of the socket protocol, for the commands: connect, send a line, read
 * a line, print it.
 */
#pragma once

#include <stdint.h>
#include <jansson.h>
#include "bot/base/err.h"

/* Where an installed daemon listens. */
#define CLIENT_SOCKET "/run/matrix-telemetry-bot/socket"

struct client;

/* timeout_ms limits connecting and each send. ERR_NOT_FOUND or ERR_NET: nobody listens on the path.
 * ERR_DENIED: no permission. */
enum err client_open(
        struct client **out, const char *path, int64_t timeout_ms, struct fault *fault);
void client_close(struct client *client); /* NULL is allowed */
/* Sends without waiting for the answer. The request is borrowed. */
enum err client_send(struct client *client, const json_t *request, struct fault *fault);
/* Waits for the next answer, at most timeout_ms (-1 = for ever). *answer is owned by the caller. */
enum err client_receive(
        struct client *client, int64_t timeout_ms, json_t **answer, struct fault *fault);
/* Sends a request and waits for its answer. */
enum err client_call(struct client *client, const json_t *request, int64_t timeout_ms,
        json_t **answer, struct fault *fault);
/* A string member of an answer, "" if there is none; borrowed. */
const char *client_text(const json_t *answer, const char *name);
/* Prints an answer as a line of JSON on standard output. */
void client_print(const json_t *answer);
/* The descriptor, for poll(2). */
int client_fd(const struct client *client);

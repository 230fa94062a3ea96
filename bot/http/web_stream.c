/*
 * web_stream.c - GET /events: server-sent events that tell a page that it is outdated. The page
 * then reloads itself, so that a stream costs nothing but its connection.
 *
 * Happy path: a stream is created, sends the reconnection time, and its connection is suspended.
 * streams_tell() resumes it; it writes one line and is suspended again. What can go wrong: the peer
 * does not read, so that its connection stays full and is closed at its time limit; the daemon
 * stops or reloads its config, and all streams end, which releases their connections.
 */
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/http/web_internal.h"

#define BLOCK 256

struct web_stream {
	struct web *web;
	struct web_conn *conn;
	struct MHD_Connection *connection;
	const char *line; /* static: the line to send next, or NULL */
	bool suspended, ended;
	TAILQ_ENTRY(web_stream) link;
};

static ssize_t stream_on_read(void *arg, uint64_t position, char *out, size_t max)
{
	struct web_stream *stream = arg;
	size_t len;

	stream->conn->working = false;
	stream->conn->since_ms = clock_monotonic_ms();
	if (stream->line) {
		len = strlen(stream->line);
		if (len > max)
			return MHD_CONTENT_READER_END_WITH_ERROR;
		memcpy(out, stream->line, len);
		stream->line = NULL;
		return (ssize_t)len;
	}
	if (stream->ended)
		return MHD_CONTENT_READER_END_OF_STREAM;
	stream->suspended = true;
	stream->conn->working = true; /* waiting for the daemon, not for the peer */
	MHD_suspend_connection(stream->connection);
	return 0;
}

static void stream_on_free(void *arg)
{
	struct web_stream *stream = arg;

	TAILQ_REMOVE(&stream->web->streams, stream, link);
	stream->web->streams_len--;
	free(stream);
}

struct MHD_Response *stream_create(struct web_call *call)
{
	struct web *web = call->web;
	struct web_stream *stream;
	struct MHD_Response *response;

	if (web->streams_len >= WEB_STREAMS_MAX || web->closing)
		return NULL;
	stream = x_calloc(1, sizeof(*stream));
	stream->web = web;
	stream->conn = call->conn;
	stream->connection = call->connection;
	stream->line = "retry: 5000\n\n";
	response = MHD_create_response_from_callback(
	        MHD_SIZE_UNKNOWN, BLOCK, stream_on_read, stream, stream_on_free);
	if (!response) {
		free(stream);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&web->streams, stream, link);
	web->streams_len++;
	return response;
}

static void stream_resume(struct web_stream *stream)
{
	if (!stream->suspended)
		return;
	stream->suspended = false;
	MHD_resume_connection(stream->connection);
}

void streams_tell(struct web *web, bool changed)
{
	struct web_stream *stream;

	TAILQ_FOREACH(stream, &web->streams, link)
	{
		if (changed || !stream->line)
			stream->line = changed ? "data: changed\n\n" : ":\n\n";
		stream_resume(stream);
	}
	web_wake(web);
}

void streams_end(struct web *web)
{
	struct web_stream *stream;

	TAILQ_FOREACH(stream, &web->streams, link)
	{
		stream->ended = true;
		stream_resume(stream);
	}
	web_wake(web);
}

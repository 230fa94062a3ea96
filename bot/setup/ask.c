/*
 * ask.c - see ask.h. Each function runs the loop until its callback was called.
 */
#include "bot/setup/ask.h"

#include <assert.h>
#include <curl/curl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/matrix/client.h"
#include "bot/matrix/discovery.h"

#define CALL_TIMEOUT_MS 30000
#define USER_AGENT "matrix-telemetry-bot/" BOT_VERSION

struct ask {
	uv_loop_t loop;
	const struct config *config;
	struct http *http;
	struct mx *mx;
	char *url;
	bool done; /* the pending request or timer has completed */
};

static void ask_turn(struct ask *ask)
{
	while (!ask->done)
		uv_run(&ask->loop, UV_RUN_ONCE);
}

/* --- opening and closing -------------------------------------------------------------------- */

struct discovery_result {
	struct ask *ask;
	struct fault *fault;
};

static void ask_on_discovered(const char *url, const struct fault *fault, void *arg)
{
	struct discovery_result *result = arg;

	result->ask->url = x_strdup_opt(url);
	if (!url && result->fault)
		*result->fault = *fault;
	result->ask->done = true;
}

static void on_closed(void *arg)
{
	((struct ask *)arg)->done = true;
}

enum err ask_open(struct ask **out, const struct config *config, struct fault *fault)
{
	struct ask *ask = x_calloc(1, sizeof(*ask));
	const struct http_options options = {
	        .proxy = config->matrix.proxy,
	        .ca_file = config->matrix.ca_file,
	        .user_agent = USER_AGENT,
	};
	struct fault own = {0};
	struct discovery_result result = {ask, &own};
	int rc = uv_loop_init(&ask->loop);
	enum err err;

	*out = NULL;
	if (rc != 0) {
		free(ask);
		return fault_set(fault, ERR_IO, "event loop: %s", uv_strerror(rc));
	}
	/* OpenSSL writes without MSG_NOSIGNAL */
	signal(SIGPIPE, SIG_IGN);
	ask->config = config;
	err = http_create(&ask->http, &ask->loop, &options);
	if (err != OK) {
		ask_close(ask);
		return fault_set(fault, err, "HTTP: %s", err_text(err));
	}
	discovery_start(ask->http, config->matrix.homeserver, ask_on_discovered, &result);
	ask_turn(ask);
	if (!ask->url) {
		ask_close(ask);
		return fault_set(fault, own.code, "%s", own.text);
	}
	ask->mx = mx_create(ask->http, ask->url, NULL);
	*out = ask;
	return OK;
}

void ask_close(struct ask *ask)
{
	int rc;

	if (!ask)
		return;
	if (ask->http) {
		ask->done = false;
		http_close(ask->http, on_closed, ask);
		ask_turn(ask);
	}
	mx_destroy(ask->mx);
	uv_run(&ask->loop, UV_RUN_DEFAULT);
	rc = uv_loop_close(&ask->loop);
	assert(rc == 0);
	(void)rc;
	free(ask->url);
	free(ask);
}

const char *ask_url(const struct ask *ask)
{
	return ask->url;
}

/* --- calls ---------------------------------------------------------------------------------- */

struct call_result {
	struct ask *ask;
	struct ask_answer *answer;
};

static void ask_on_answer(const struct mx_answer *from, void *arg)
{
	struct call_result *result = arg;
	struct ask_answer *answer = result->answer;

	answer->code = from->code;
	answer->body = json_incref((json_t *)from->body);
	answer->retry_after_ms = from->retry_after_ms;
	snprintf(answer->errcode, sizeof(answer->errcode), "%s", from->errcode);
	snprintf(answer->error, sizeof(answer->error), "%s",
	        from->error[0] ? from->error : err_text(from->code));
	result->ask->done = true;
}

enum err ask_set_token(struct ask *ask, const char *token)
{
	return mx_set_token(ask->mx, token);
}

void ask_call(struct ask *ask, const char *method, const char *path, const json_t *body,
        struct ask_answer *answer)
{
	struct call_result result = {ask, answer};

	*answer = (struct ask_answer){.retry_after_ms = -1};
	ask->done = false;
	mx_start(ask->mx, method, path, body, CALL_TIMEOUT_MS, ask_on_answer, &result);
	ask_turn(ask);
}

void ask_answer_finish(struct ask_answer *answer)
{
	json_decref(answer->body);
	answer->body = NULL;
}

/* --- the clock ------------------------------------------------------------------------------ */

static size_t drop_body(char *data, size_t size, size_t count, void *arg)
{
	return size * count;
}

static enum err read_date(
        CURL *easy, const struct config *config, int64_t *theirs_ms, struct fault *fault)
{
	struct curl_header *header;
	CURLcode code;
	time_t seconds;

	if (config->matrix.proxy)
		curl_easy_setopt(easy, CURLOPT_PROXY, config->matrix.proxy);
	if (config->matrix.ca_file)
		curl_easy_setopt(easy, CURLOPT_CAINFO, config->matrix.ca_file);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, USER_AGENT);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, drop_body);
	curl_easy_setopt(easy, CURLOPT_MAXFILESIZE, 1L << 20);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)CALL_TIMEOUT_MS);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	code = curl_easy_perform(easy);
	if (code != CURLE_OK)
		return fault_set(fault, ERR_NET, "%s", curl_easy_strerror(code));
	if (curl_easy_header(easy, "Date", 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
		return fault_set(fault, ERR_PROTO, "the homeserver does not tell its time");
	seconds = curl_getdate(header->value, NULL);
	if (seconds < 0)
		return fault_set(fault, ERR_PROTO, "the homeserver's time cannot be read");
	*theirs_ms = (int64_t)seconds * CLOCK_SECOND_MS;
	return OK;
}

enum err ask_date(struct ask *ask, int64_t *theirs_ms, int64_t *ours_ms, struct fault *fault)
{
	char *url = x_asprintf("%s/_matrix/client/versions", ask->url);
	int64_t start_ms = clock_now_ms();
	CURL *easy = curl_easy_init();
	enum err err;

	if (!easy) {
		err = fault_set(fault, ERR_IO, "libcurl cannot start");
	} else {
		curl_easy_setopt(easy, CURLOPT_URL, url);
		err = read_date(easy, ask->config, theirs_ms, fault);
		curl_easy_cleanup(easy);
	}
	*ours_ms = start_ms + (clock_now_ms() - start_ms) / 2;
	free(url);
	return err;
}

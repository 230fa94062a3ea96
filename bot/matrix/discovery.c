/*
 * discovery.c - see discovery.h.
 *
 * Happy path: GET /.well-known/matrix/client names the base URL, GET /_matrix/client/versions there
 * shows that a homeserver listens. A 404 for the first means that the server name itself is the
 * base URL. Any other deviation from the specification is an error: a guess could send the access
 * token to the wrong server.
 */
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/matrix/answer.h"
#include "bot/matrix/discovery.h"

#define DISCOVERY_TIMEOUT_MS 30000
#define DISCOVERY_ANSWER_MAX (256U << 10)
#define DISCOVERY_REDIRECTS 5

struct discovery {
	struct http *http;
	char *homeserver; /* of the config */
	char *asked;      /* URL of the request in flight */
	char *base;       /* candidate for the base URL */
	bool local;       /* plain http is allowed */
	discovery_done_fn done;
	void *arg;
};

static void discovery_finish(struct discovery *discovery, const struct fault *fault)
{
	discovery->done(fault->code == OK ? discovery->base : NULL, fault, discovery->arg);
	free(discovery->homeserver);
	free(discovery->asked);
	free(discovery->base);
	free(discovery);
}

/* ---- URLs ---- */

static bool discovery_is_loopback(const char *host)
{
	return strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
	       (strncmp(host, "127.", 4) == 0 && host[strspn(host, "0123456789.")] == '\0');
}

static char *url_part(CURLU *url, CURLUPart part)
{
	char *text = NULL, *copy;

	if (curl_url_get(url, part, &text, 0) != CURLUE_OK)
		return NULL;
	copy = x_strdup(text);
	curl_free(text);
	return copy;
}

static bool has_part(CURLU *url, CURLUPart part)
{
	char *text = url_part(url, part);
	bool has = text;

	free(text);
	return has;
}

/*
 * Checks a URL: https, or http to loopback, with nothing but scheme, host, port and path. Returns
 * it without trailing slashes, owned by the caller, or NULL. *local: the host is loopback.
 */
static char *check_url(const char *text, bool *local)
{
	CURLU *url = curl_url();
	char *scheme = NULL, *host = NULL, *base = NULL;

	if (!url || curl_url_set(url, CURLUPART_URL, text, 0) != CURLUE_OK)
		goto out;
	scheme = url_part(url, CURLUPART_SCHEME);
	host = url_part(url, CURLUPART_HOST);
	if (!scheme || !host || has_part(url, CURLUPART_USER) ||
	        has_part(url, CURLUPART_PASSWORD) || has_part(url, CURLUPART_QUERY) ||
	        has_part(url, CURLUPART_FRAGMENT))
		goto out;
	*local = discovery_is_loopback(host);
	if (strcmp(scheme, "https") != 0 && !(strcmp(scheme, "http") == 0 && *local))
		goto out;
	base = url_part(url, CURLUPART_URL);
	for (size_t len = base ? strlen(base) : 0; len > 0 && base[len - 1] == '/'; len--)
		base[len - 1] = '\0';
out:
	free(scheme);
	free(host);
	curl_url_cleanup(url);
	return base;
}

static void discovery_ask(struct discovery *discovery, const char *base, const char *path,
        unsigned redirects, http_done_fn done)
{
	struct http_call call = {
	        .method = "GET",
	        .timeout_ms = DISCOVERY_TIMEOUT_MS,
	        .max_answer = DISCOVERY_ANSWER_MAX,
	        .redirects = redirects,
	};

	free(discovery->asked);
	discovery->asked = x_asprintf("%s%s", base, path);
	call.url = discovery->asked;
	http_start(discovery->http, &call, done, discovery);
}

/* ---- the two answers ---- */

/* Checks that an answer is a 200 with a JSON object; *body is a new reference. */
static enum err discovery_check_answer(const struct discovery *discovery,
        const struct http_result *result, json_t **body, struct fault *fault)
{
	*body = NULL;
	if (result->code != OK)
		return fault_set(fault, result->code, "%s: %s", discovery->asked, result->error);
	if (result->status != 200)
		return fault_set(fault, result->status == 429 ? ERR_LIMITED : ERR_SERVER,
		        "%s: HTTP %ld", discovery->asked, result->status);
	*body = answer_parse(result->body, result->body_len);
	if (!*body)
		return fault_set(fault, ERR_PROTO, "%s: is not a JSON object", discovery->asked);
	return OK;
}

static void on_versions(const struct http_result *result, void *arg)
{
	struct discovery *discovery = arg;
	struct fault fault = {.code = OK};
	json_t *body;

	if (discovery_check_answer(discovery, result, &body, &fault) == OK &&
	        !json_is_array(json_object_get(body, "versions")))
		fault_set(&fault, ERR_PROTO, "%s: is not the answer of a Matrix homeserver",
		        discovery->asked);
	json_decref(body);
	discovery_finish(discovery, &fault);
}

static void ask_versions(struct discovery *discovery)
{
	discovery_ask(discovery, discovery->base, "/_matrix/client/versions", 0, on_versions);
}

static void on_well_known(const struct http_result *result, void *arg)
{
	struct discovery *discovery = arg;
	struct fault fault = {.code = OK};
	const char *url;
	json_t *body;
	char *base;
	bool local = false;

	if (result->code == OK && result->status == 404) {
		ask_versions(discovery);
		return;
	}
	if (discovery_check_answer(discovery, result, &body, &fault) != OK) {
		fault_wrap(&fault, "homeserver %s (its URL can be given instead)",
		        discovery->homeserver);
		discovery_finish(discovery, &fault);
		return;
	}
	url = json_string_value(json_object_get(json_object_get(body, "m.homeserver"), "base_url"));
	base = url ? check_url(url, &local) : NULL;
	if (base && strncmp(base, "http:", 5) == 0 && !discovery->local) {
		free(base); /* a remote .well-known must not send the token to a local port */
		base = NULL;
	}
	json_decref(body);
	if (!base) {
		fault_set(&fault, ERR_PROTO, "%s: has no usable m.homeserver.base_url",
		        discovery->asked);
		discovery_finish(discovery, &fault);
		return;
	}
	free(discovery->base);
	discovery->base = base;
	ask_versions(discovery);
}

/* ---- the start ---- */

static void on_unusable(const struct http_result *result, void *arg)
{
	struct discovery *discovery = arg;
	struct fault fault;

	fault_set(&fault, result->code,
	        "homeserver \"%s\" must be a server name, an https:// URL, or http:// to a "
	        "loopback address",
	        discovery->homeserver);
	discovery_finish(discovery, &fault);
}

/* "https://host" for "host:port": .well-known is fetched from the default port. */
static char *without_port(const char *base)
{
	CURLU *url = curl_url();
	char *result = NULL;

	if (url && curl_url_set(url, CURLUPART_URL, base, 0) == CURLUE_OK &&
	        curl_url_set(url, CURLUPART_PORT, NULL, 0) == CURLUE_OK)
		result = url_part(url, CURLUPART_URL);
	curl_url_cleanup(url);
	if (result && result[strlen(result) - 1] == '/')
		result[strlen(result) - 1] = '\0';
	return result ? result : x_strdup(base);
}

static void start_by_name(struct discovery *discovery)
{
	char *url = x_asprintf("https://%s", discovery->homeserver), *well_known;

	if (!strpbrk(discovery->homeserver, "/?#@\\"))
		discovery->base = check_url(url, &discovery->local);
	free(url);
	if (!discovery->base) {
		http_refuse(discovery->http, ERR_CONFIG, on_unusable, discovery);
		return;
	}
	if (discovery->local) {
		free(discovery->base);
		discovery->base = x_asprintf("http://%s", discovery->homeserver);
		well_known = x_strdup(discovery->base);
	} else {
		well_known = without_port(discovery->base);
	}
	discovery_ask(discovery, well_known, "/.well-known/matrix/client", DISCOVERY_REDIRECTS,
	        on_well_known);
	free(well_known);
}

char *discovery_url(const char *homeserver)
{
	bool local;

	return strstr(homeserver, "://") ? check_url(homeserver, &local) : NULL;
}

void discovery_start(struct http *http, const char *homeserver, discovery_done_fn done, void *arg)
{
	struct discovery *discovery = x_calloc(1, sizeof(*discovery));

	discovery->http = http;
	discovery->homeserver = x_strdup(homeserver);
	discovery->done = done;
	discovery->arg = arg;
	if (!strstr(homeserver, "://")) {
		start_by_name(discovery);
		return;
	}
	discovery->base = check_url(homeserver, &discovery->local);
	if (discovery->base)
		ask_versions(discovery);
	else
		http_refuse(http, ERR_CONFIG, on_unusable, discovery);
}

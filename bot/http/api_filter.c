/*
 * api_filter.c - see api_filter.h.
 */
#include "bot/http/api_filter.h"

#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"

#define RECEIVER_MATCHER_MAX 256

static const char *label_text(const char *name, void *arg)
{
	return json_string_value(json_object_get(arg, name));
}

/* True when all match; a costly regular expression sets the answer. */
static bool api_filter_matches(
        struct api_filter *filter, const struct matchers *matchers, json_t *labels)
{
	enum match match;

	if (filter->failed)
		return false;
	match = matchers_match(matchers, label_text, labels);
	if (match == MATCH_LIMIT) {
		filter->failed = true;
		call_error(filter->call, MHD_HTTP_BAD_REQUEST,
		        "the filter's regular expression takes too long");
	}
	return match == MATCH_YES;
}

/* ---- reading the query ---- */

static void api_filter_add(struct api_filter *filter, const char *text)
{
	char why[160];

	if (filter->failed)
		return;
	if (filter->len == API_FILTERS_MAX) {
		filter->failed = true;
		call_error(
		        filter->call, MHD_HTTP_BAD_REQUEST, "at most %d filters", API_FILTERS_MAX);
	} else if (matchers_parse(text, &filter->filters[filter->len], why) != OK) {
		filter->failed = true;
		call_error(filter->call, MHD_HTTP_BAD_REQUEST, "filter: %s", why);
	} else {
		filter->len++;
	}
}

static enum MHD_Result api_filter_on_argument(
        void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct api_filter *filter = arg;

	(void)kind;
	if (strcmp(name, "filter") == 0 && value && *value)
		api_filter_add(filter, value);
	else if (strcmp(name, "active") == 0)
		filter->active = !value || strcmp(value, "false") != 0;
	else if (strcmp(name, "silenced") == 0)
		filter->silenced = !value || strcmp(value, "false") != 0;
	return MHD_YES;
}

/* receiver= is a regular expression for the receiver's name: nothing is shown if it is another. */
static void api_filter_for_receiver(struct api_filter *filter, const char *receiver)
{
	const char *wanted = call_query(filter->call, "receiver");
	struct matchers *matchers = NULL;
	struct buf text;
	json_t *labels;
	char why[160];

	if (filter->failed || !wanted || !*wanted)
		return;
	labels = json_pack("{s:s}", "receiver", receiver);
	buf_init(&text, RECEIVER_MATCHER_MAX);
	buf_add_str(&text, "receiver=~");
	matchers_add_value(&text, wanted, strlen(wanted));
	if (text.overflow || matchers_parse(buf_str(&text), &matchers, why) != OK) {
		filter->failed = true;
		call_error(filter->call, MHD_HTTP_BAD_REQUEST, "receiver: %s",
		        text.overflow ? "it is too long" : why);
	} else if (!api_filter_matches(filter, matchers, labels)) {
		filter->active = filter->silenced = false;
	}
	matchers_free(matchers);
	buf_finish(&text);
	json_decref(labels);
}

bool api_filter_read(struct api_filter *filter, struct web_call *call, const char *receiver)
{
	*filter = (struct api_filter){.call = call, .active = true, .silenced = true};
	MHD_get_connection_values(
	        call->connection, MHD_GET_ARGUMENT_KIND, api_filter_on_argument, filter);
	api_filter_for_receiver(filter, receiver);
	if (filter->failed)
		api_filter_finish(filter);
	return !filter->failed;
}

void api_filter_finish(struct api_filter *filter)
{
	for (size_t i = 0; i < filter->len; i++)
		matchers_free(filter->filters[i]);
	filter->len = 0;
}

/* ---- what is shown ---- */

static bool api_filter_shows(struct api_filter *filter, json_t *labels)
{
	bool shows = true;

	for (size_t i = 0; i < filter->len && shows; i++)
		shows = api_filter_matches(filter, filter->filters[i], labels);
	return shows;
}

bool api_filter_shows_alert(struct api_filter *filter, const json_t *alert)
{
	const json_t *status = json_object_get(alert, "status");
	bool silenced = json_array_size(json_object_get(status, "silencedBy")) > 0;

	json_t *seen = json_copy(json_object_get(alert, "annotations"));
	bool shows;

	json_object_update(seen, json_object_get(alert, "labels"));
	shows = (silenced ? filter->silenced : filter->active) && api_filter_shows(filter, seen);
	json_decref(seen);
	return shows;
}

bool api_filter_shows_silence(struct api_filter *filter, const json_t *silence)
{
	const json_t *matcher;
	json_t *labels = json_object();
	bool shows;
	size_t i;

	json_array_foreach(json_object_get(silence, "matchers"), i, matcher)
	{
		json_object_set(labels, json_string_value(json_object_get(matcher, "name")),
		        json_object_get(matcher, "value"));
	}
	shows = api_filter_shows(filter, labels);
	json_decref(labels);
	return shows;
}

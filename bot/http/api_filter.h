/*
 * api_filter.h - what a client of Alertmanager's API (version 2) asks for: filter=MATCHERS (several
 * times), active=, silenced=, receiver=. The rules are those of Alertmanager's openapi.yaml: an
 * alert is shown if its labels match all filters; a silence, if the values of its own matchers do.
 * Filters see annotations too, as silences see all fields.
 */
#pragma once

#include "bot/base/matcher.h"
#include "bot/http/web_internal.h"

#define API_FILTERS_MAX 8

struct api_filter {
	struct web_call *call; /* borrowed */
	struct matchers *filters[API_FILTERS_MAX];
	size_t len;
	bool active, silenced; /* alerts in that state are shown */
	bool failed;           /* the answer is set, nothing more is shown */
};

/* Reads the query. receiver: the name of the only receiver. False: it is not understood, and the
 * answer is set; nothing must be freed then. */
bool api_filter_read(struct api_filter *filter, struct web_call *call, const char *receiver);
/* alert and silence as in the API. A regular expression that costs too much sets the answer. */
bool api_filter_shows_alert(struct api_filter *filter, const json_t *alert);
bool api_filter_shows_silence(struct api_filter *filter, const json_t *silence);
void api_filter_finish(struct api_filter *filter);

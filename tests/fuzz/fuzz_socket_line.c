/*
 * fuzz_socket_line.c - one line of an app on the socket, read into an alert.
 */
#include <stdlib.h>
#include <string.h>
#include "bot/base/request.h"
#include "bot/base/text.h"
#include "handlers/alerts/alert.h"
#include "tests/fuzz/fuzz.h"

#define NOW_MS 1800000000000

static struct config *fuzz_config(void)
{
	static struct config *config;
	struct buf report;

	if (config)
		return config;
	buf_init(&report, 4096);
	if (config_parse("[matrix]\nhomeserver = https://example.org\nuser = @bot:example.org\n"
	                 "token_file = token\n[rooms]\nops = #ops:example.org\n[route]\n"
	                 "critical = ops\nwarning = ops\ninfo = ops\n",
	            "/fuzz/bot.conf", &config, &report) != OK)
		abort();
	buf_finish(&report);
	return config;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config *config = fuzz_config();
	struct alert_fault refused;
	struct fault fault = {0};
	struct alert *alert = NULL;
	json_t *request = NULL;
	size_t position;

	if (request_parse((const char *)data, size, &request, &position, &fault) != OK)
		return 0;
	if (alert_parse(request, config, NOW_MS, &alert, &refused) == OK) {
		/* what the store and the room are given is UTF-8, and JSON */
		char *fields = alert_fields_json(alert);

		if (!alert->app[0] || !fields || !text_is_utf8(fields, strlen(fields)))
			abort();
		free(fields);
		alert_destroy(alert);
	}
	json_decref(request);
	return 0;
}

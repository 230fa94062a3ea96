/*
 * fuzz_config.c - the text of a bot.conf: accepted, or refused with at least one line of report.
 */
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/config/config.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = x_strndup((const char *)data, size);
	struct config *config = NULL;
	struct buf report;

	buf_init(&report, 64 * 1024);
	if (config_parse(text, "/fuzz/bot.conf", &config, &report) != OK && report.len == 0)
		abort();
	config_unref(config);
	buf_finish(&report);
	free(text);
	return 0;
}

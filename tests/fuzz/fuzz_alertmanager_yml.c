/*
 * fuzz_alertmanager_yml.c - an alertmanager.yml: refused with the file and a reason, or converted
 * to a text that is a config.
 */
#include <stdlib.h>
#include <string.h>
#include "bot/config/config.h"
#include "bot/convert/convert.h"
#include "tests/fuzz/fuzz.h"

#define PATH "/fuzz/alertmanager.yml"

static void check_config(const char *text)
{
	struct config *config = NULL;
	struct buf report;

	buf_init(&report, 64 * 1024);
	if (config_parse(text, "/fuzz/bot.conf", &config, &report) != OK)
		abort();
	config_unref(config);
	buf_finish(&report);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tree *tree = NULL;
	struct fault fault = {0};
	struct buf out;
	enum err err = tree_parse((const char *)data, size, PATH, &tree, &fault);

	buf_init(&out, CONVERT_MAX);
	if (err == OK)
		err = convert_tree(tree, PATH, &out, &fault);
	if (err != OK && strncmp(fault.text, PATH ":", sizeof(PATH)) != 0)
		abort();
	if (err == OK && !out.overflow) /* which is reported */
		check_config(buf_str(&out));
	buf_finish(&out);
	tree_free(tree);
	return 0;
}

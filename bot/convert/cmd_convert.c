/*
 * cmd_convert.c - see cmd_convert.h.
 */
#include "bot/convert/cmd_convert.h"

#include <stdio.h>
#include <sysexits.h>
#include "bot/config/config.h"
#include "bot/convert/convert.h"

#define REPORT_MAX (64 * 1024)

/* Validates the generated config as the daemon would. */
static enum err convert_check(const char *path, const struct buf *text, struct fault *fault)
{
	struct config *config = NULL;
	struct buf report;
	enum err err;

	buf_init(&report, REPORT_MAX);
	err = text->overflow ? fault_set(fault, ERR_TOO_LARGE, "%s: too much for one config", path)
	                     : config_parse(buf_str(text), "bot.conf", &config, &report);
	if (err == ERR_CONFIG)
		fault_set(fault, err, "%s: no config can be made of it: %.150s", path,
		        buf_str(&report));
	config_unref(config);
	buf_finish(&report);
	return err;
}

int cmd_convert(const char *path)
{
	struct fault fault = {0};
	struct tree *tree;
	struct buf text;
	enum err err = tree_read(path, &tree, &fault);

	buf_init(&text, CONVERT_MAX);
	if (err == OK)
		err = convert_tree(tree, path, &text, &fault);
	if (err == OK)
		err = convert_check(path, &text, &fault);
	if (err == OK)
		fputs(buf_str(&text), stdout);
	else
		fprintf(stderr, "%s\n", fault.text);
	tree_free(tree);
	buf_finish(&text);
	return err == OK ? EX_OK : EX_DATAERR;
}

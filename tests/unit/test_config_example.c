/*
 * bot.conf.example is what the table of options says, and a good config as it is, with every
 * line switched on too. With an argument, writes the file anew.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bot/config/config.h"
#include "bot/config/options.h"
#include "config_example.h"

#define EXAMPLE_MAX (64 * 1024)

static void test_the_file_is_the_table(void **state)
{
	const char *root = getenv("SOURCE_ROOT");
	struct buf wanted, path;
	char *found = calloc(1, EXAMPLE_MAX);
	FILE *file;

	assert_non_null(root);
	buf_init(&path, 4096);
	buf_printf(&path, "%s/bot.conf.example", root);
	file = fopen(buf_str(&path), "r");
	assert_non_null(file);
	assert_true(fread(found, 1, EXAMPLE_MAX - 1, file) < EXAMPLE_MAX - 1);
	fclose(file);
	buf_init(&wanted, EXAMPLE_MAX);
	config_example(&wanted);
	assert_false(wanted.overflow);
	if (strcmp(found, buf_str(&wanted)) != 0)
		fail_msg("bot.conf.example is not what the table says; run: tests/unit/"
		         "test_config_example %s",
		        buf_str(&path));
	buf_finish(&path);
	buf_finish(&wanted);
	free(found);
}

/* Parses the example as the file would be in a folder of its own. */
static void parse(const char *text, struct config **config)
{
	struct buf report;

	buf_init(&report, 16384);
	if (config_parse(text, "/tmp/bot.conf", config, &report) != OK)
		fail_msg("%s", buf_str(&report));
	buf_finish(&report);
}

static void test_it_is_good_as_it_is(void **state)
{
	struct config *config;
	struct buf text;

	buf_init(&text, EXAMPLE_MAX);
	config_example(&text);
	parse(buf_str(&text), &config);
	assert_int_equal(config->rooms_len, 2);
	assert_string_equal(config->matrix.user, "@telemetry:example.org");
	assert_int_equal(config->kinds_len, config_builtin_kinds_len);
	assert_int_equal(config->apps_len, 0);
	assert_null(config->matrix.token.command);
	buf_finish(&text);
	config_unref(config);
}

/* Every commented key, uncommented, is known and has a good value. Of what excludes each other
 * or asks the machine (users, groups), the lines stay as they are. */
static void test_every_line_of_it_is_good(void **state)
{
	static const char *const left_out[] = {"#token_file", "#pickle_key_file", "#group",
	        "#allow_uid", "#allow_gid", "#timezone", "#emoji =\n", "#html", "#text =\n",
	        "#severity =\n", "#identity =\n"};
	struct config *config;
	struct buf text, all;
	unsigned switched = 0;

	buf_init(&text, EXAMPLE_MAX);
	buf_init(&all, EXAMPLE_MAX);
	config_example(&text);
	for (const char *line = buf_str(&text); *line;) {
		size_t len = strcspn(line, "\n") + 1;
		bool on = line[0] == '#' && line[1] != ' ' && line[1] != '\n';

		for (size_t i = 0; i < sizeof(left_out) / sizeof(left_out[0]); i++)
			if (strncmp(line, left_out[i], strlen(left_out[i])) == 0)
				on = false;
		buf_add(&all, line + on, len - on);
		switched += on;
		line += len;
	}
	assert_true(switched > 60);
	parse(buf_str(&all), &config);
	assert_int_equal(config->apps_len, 1);
	assert_int_equal(config->watches_len, 1);
	assert_int_equal(config->kinds_len, config_builtin_kinds_len);
	buf_finish(&text);
	buf_finish(&all);
	config_unref(config);
}

static void test_no_help_is_too_long_to_read(void **state)
{
	struct buf text;

	buf_init(&text, EXAMPLE_MAX);
	config_example(&text);
	for (const char *line = buf_str(&text); *line;) {
		size_t len = strcspn(line, "\n");

		if (line[0] == '#' && line[1] == ' ' && len > 100)
			fail_msg("%.*s", (int)len, line);
		line += len + 1;
	}
	buf_finish(&text);
}

static int write_example(const char *path)
{
	FILE *file = fopen(path, "w");
	struct buf text;
	int rc = 1;

	buf_init(&text, EXAMPLE_MAX);
	config_example(&text);
	if (file) {
		rc = fwrite(text.data, 1, text.len, file) != text.len;
		rc |= fclose(file) != 0;
	}
	buf_finish(&text);
	return rc;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_the_file_is_the_table),
	        cmocka_unit_test(test_it_is_good_as_it_is),
	        cmocka_unit_test(test_every_line_of_it_is_good),
	        cmocka_unit_test(test_no_help_is_too_long_to_read),
	};
	if (argc == 2)
		return write_example(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

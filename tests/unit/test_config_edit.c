/*
 * Old text and changes to new text: what was not named stays byte for byte.
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
#include "bot/config/config_edit.h"

#define LEN(array) (sizeof(array) / sizeof(*(array)))
#define TEXT_MAX (256 * 1024)

static char *edit(const char *text, const struct config_change *changes, size_t len)
{
	struct buf out;

	buf_init(&out, TEXT_MAX);
	config_edit(text, changes, len, &out);
	assert_false(out.overflow);
	return buf_take(&out) ?: strdup("");
}

static void test_single_changes(void **state)
{
	static const struct {
		const char *before;
		struct config_change change;
		const char *after;
	} cases[] = {
	        /* where it stands, with the comment behind it */
	        {"# top\n[matrix]\nuser = @a:e ; mine\nx = 1\n", {"matrix", "user", "@b:e"},
	                "# top\n[matrix]\nuser = @b:e ; mine\nx = 1\n"},
	        {"[matrix]\nuser=@a:e", {"matrix", "user", "@b:e"}, "[matrix]\nuser = @b:e\n"},
	        {"[matrix]\r\nuser : @a:e\r\nx = 1\r\n", {"matrix", "user", "@b:e"},
	                "[matrix]\r\nuser = @b:e\nx = 1\r\n"},
	        /* the same key of another section is another */
	        {"[meta]\nuser = @m:e\n[matrix]\nuser = @a:e\n", {"matrix", "user", "@b:e"},
	                "[meta]\nuser = @m:e\n[matrix]\nuser = @b:e\n"},
	        /* below the comment that has its default */
	        {"[matrix]\na = 1\n# A file.\n#token_file = token\n\n# More.\n#z = 1\n",
	                {"matrix", "token_file", "/t"},
	                "[matrix]\na = 1\n# A file.\n#token_file = token\ntoken_file = /t\n\n"
	                "# More.\n#z = 1\n"},
	        /* behind the last key of the section, before the next one's comment */
	        {"[rooms]\nops = #o:e\n\n\n# Routes.\n[route]\n", {"rooms", "dev", "#d:e"},
	                "[rooms]\nops = #o:e\ndev = #d:e\n\n\n# Routes.\n[route]\n"},
	        {"[rooms]\n\n[route]\n", {"rooms", "ops", "#o:e"},
	                "[rooms]\nops = #o:e\n\n[route]\n"},
	        /* a new section */
	        {"[rooms]\nops = #o:e\n", {"app etl", "dashboard", "https://d/{run_id}"},
	                "[rooms]\nops = #o:e\n\n[app etl]\ndashboard = https://d/{run_id}\n"},
	        {"# none\n#[app etl]\n", {"app etl", "quiet", "yes"},
	                "# none\n#[app etl]\n\n[app etl]\nquiet = yes\n"},
	        {"", {"matrix", "user", "@b:e"}, "[matrix]\nuser = @b:e\n"},
	        {"[rooms]", {"matrix", "user", "@b:e"}, "[rooms]\n\n[matrix]\nuser = @b:e\n"},
	        /* lines that went on with the old value */
	        {"[watch a]\nsql = SELECT 1\n\tFROM t\n\t# kept\n\tWHERE x\nevery = 1h\n",
	                {"watch a", "sql", "SELECT 2"},
	                "[watch a]\nsql = SELECT 2\n\t# kept\nevery = 1h\n"},
	        {"[watch a]\nsql = SELECT 1\n\tFROM t\n", {"watch a", "every", "1h"},
	                "[watch a]\nsql = SELECT 1\n\tFROM t\nevery = 1h\n"},
	        /* an indented line that looks like a section goes on with the value too */
	        {"[a]\nk = 1\n [matrix]\nuser = x\n", {"matrix", "user", "@b:e"},
	                "[a]\nk = 1\n [matrix]\nuser = x\n\n[matrix]\nuser = @b:e\n"},
	        /* taken out of force */
	        {"[rooms]\nops = #o:e\ndev = #d:e\n", {"rooms", "dev", NULL},
	                "[rooms]\nops = #o:e\n#dev = #d:e\n"},
	        {"[a]\nk = 1\n\tmore\nz = 2", {"a", "k", NULL}, "[a]\n#k = 1\n#\tmore\nz = 2"},
	        {"[rooms]\nops = #o:e\n", {"rooms", "dev", NULL}, "[rooms]\nops = #o:e\n"},
	        {"\xEF\xBB\xBF[matrix]\nuser = @a:e\n", {"matrix", "user", "@b:e"},
	                "\xEF\xBB\xBF[matrix]\nuser = @b:e\n"},
	};

	for (size_t i = 0; i < LEN(cases); i++) {
		char *after = edit(cases[i].before, &cases[i].change, 1), *value;

		assert_string_equal(after, cases[i].after);
		free(after);
		/* once more changes nothing */
		after = edit(cases[i].after, &cases[i].change, 1);
		assert_string_equal(after, cases[i].after);
		free(after);
		value = config_edit_value(
		        cases[i].after, cases[i].change.section, cases[i].change.key);
		if (cases[i].change.value)
			assert_string_equal(value, cases[i].change.value);
		else
			assert_null(value);
		free(value);
	}
}

static char *read_example(void)
{
	char path[512], *text = calloc(1, TEXT_MAX);
	FILE *file;

	snprintf(path, sizeof(path), "%s/bot.conf.example", getenv("SOURCE_ROOT"));
	file = fopen(path, "r");
	assert_non_null(file);
	assert_true(fread(text, 1, TEXT_MAX - 1, file) > 0);
	fclose(file);
	return text;
}

/* Every line of the example is still there, and what was set counts. */
static void test_the_example_with_all_that_setup_writes(void **state)
{
	static const struct config_change changes[] = {
	        {"matrix", "homeserver", "matrix.example.com"},
	        {"matrix", "user", "@alerts:example.com"},
	        {"matrix", "token_file", "/var/lib/matrix-telemetry-bot/token"},
	        {"rooms", "ops", "#ops:example.com"},
	        {"rooms", "dev", NULL},
	        {"commands", "users", "@op1:example.com @op2:example.com"},
	        {"storage", "database", "/var/lib/matrix-telemetry-bot/operations.db"},
	        {"socket", "group", "root"},
	        {"app data_factory", "dashboard", "https://d.example.com/runs/{run_id}"},
	};
	char *before = read_example(), *after = edit(before, changes, LEN(changes));
	struct config *config = NULL;
	struct buf report;
	char *place;

	buf_init(&report, TEXT_MAX);
	if (config_parse(after, "f", &config, &report) != OK)
		fail_msg("%s", buf_str(&report));
	buf_finish(&report);
	assert_string_equal(config->matrix.homeserver, "matrix.example.com");
	assert_string_equal(config->matrix.user, "@alerts:example.com");
	assert_string_equal(config->matrix.token.file, "/var/lib/matrix-telemetry-bot/token");
	assert_int_equal(config->rooms_len, 1);
	assert_string_equal(config->commands.users[1], "@op2:example.com");
	assert_string_equal(
	        config->storage.database, "/var/lib/matrix-telemetry-bot/operations.db");
	assert_non_null(config_app(config, "data_factory"));
	config_unref(config);
	place = after;
	for (char *line = strtok(before, "\n"); line; line = strtok(NULL, "\n")) {
		if (line[0] != '#')
			continue;
		place = strstr(place, line);
		if (!place)
			fail_msg("lost, or moved: %s", line);
	}
	free(after);
	free(before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_single_changes),
	        cmocka_unit_test(test_the_example_with_all_that_setup_writes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

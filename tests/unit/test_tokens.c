/*
 * test_tokens.c - the file of bearer tokens, and which token a header means.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "bot/http/tokens.h"

static char path[] = "/tmp/test_tokens.XXXXXX";

static enum err tokens_of(
        const char *text, size_t len, mode_t mode, struct tokens *tokens, struct fault *fault)
{
	struct config config = {.http.tokens = path};
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, len, file), len);
	fclose(file);
	assert_int_equal(chmod(path, mode), 0);
	*fault = (struct fault){0};
	return tokens_read(tokens, &config, fault);
}

static void test_a_line_is_name_rights_token(void **state)
{
	static const char text[] =
	        "# who\n\nprom send,read s3cret\r\n\tben\tcommand  b3n\nlast read 1ast";
	struct tokens tokens;
	struct fault fault;
	const struct token *token;

	(void)state;
	assert_int_equal(tokens_of(text, strlen(text), 0640, &tokens, &fault), OK);
	assert_int_equal(tokens.len, 3);
	token = tokens_find(&tokens, "Bearer s3cret", false);
	assert_string_equal(token->name, "prom");
	assert_int_equal(token->rights, TOKEN_SEND | TOKEN_READ);
	assert_int_equal(tokens_find(&tokens, "bearer b3n", false)->rights, TOKEN_COMMAND);
	assert_int_equal(tokens_find(&tokens, "Bearer 1ast", false)->rights, TOKEN_READ);
	assert_null(tokens_find(&tokens, "Bearer s3cre", false));
	assert_string_equal(tokens_find(&tokens, "BEARER \t s3cret \t", false)->name, "prom");
	assert_null(tokens_find(&tokens, "Bearer s3cret x", false));
	assert_null(tokens_find(&tokens, "Bearer", false));
	assert_null(tokens_find(&tokens, "Bearer  ", false));
	assert_null(tokens_find(&tokens, "Bearers3cret", false));
	assert_null(tokens_find(&tokens, "Token s3cret", true));
	assert_null(tokens_find(&tokens, "s3cret", false));
	assert_null(tokens_find(&tokens, "", false));
	/* "any:s3cret" */
	assert_null(tokens_find(&tokens, "Basic YW55OnMzY3JldA==", false));
	assert_string_equal(tokens_find(&tokens, "Basic YW55OnMzY3JldA==", true)->name, "prom");
	assert_null(tokens_find(&tokens, "Basic YW55OnMzY3JldA=", true));
	assert_null(tokens_find(&tokens, "Basic YW55 OnMzY3JldA==", true));
	assert_null(tokens_find(&tokens, "Basic ????", true));
	assert_null(tokens_find(&tokens, "Basic ", true));
	tokens_finish(&tokens);
}

/* None of these may turn a word that is no secret into a token. */
static void test_what_is_no_such_line_is_refused_with_its_number(void **state)
{
	static const char *const lines[] = {"prom", "prom send", "prom send, read s3cret",
	        "prom send read s3cret", "prom all s3cret", "prom , s3cret", "a name send s3cret",
	        "prom SEND s3cret",
	        "a2345678901234567890123456789012345678901234567890123456789012345 send s3cret"};
	struct tokens tokens;
	struct fault fault;
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		snprintf(text, sizeof(text), "ok send 0k\n%s\n", lines[i]);
		assert_int_equal(tokens_of(text, strlen(text), 0600, &tokens, &fault), ERR_CONFIG);
		assert_int_equal(tokens.len, 0);
		assert_non_null(strstr(fault.text, ":2: a line is NAME RIGHTS TOKEN"));
		assert_null(strstr(fault.text, "s3cret"));
	}
}

static void test_what_cannot_be_a_file_of_tokens_is_refused(void **state)
{
	static char large[300 * 1024];
	struct tokens tokens;
	struct fault fault;

	(void)state;
	memset(large, '#', sizeof(large));
	assert_int_equal(tokens_of(large, sizeof(large), 0600, &tokens, &fault), ERR_CONFIG);
	assert_int_equal(tokens_of("a send x\0y", 10, 0600, &tokens, &fault), ERR_CONFIG);
	assert_int_equal(tokens_of("a send x", 8, 0604, &tokens, &fault), ERR_DENIED);
	assert_int_equal(tokens_of("a send x", 8, 0620, &tokens, &fault), ERR_DENIED);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	{
		struct config config = {.http.tokens = path};

		fault = (struct fault){0};
		assert_int_equal(tokens_read(&tokens, &config, &fault), ERR_IO);
		assert_int_equal(rmdir(path), 0);
		fault = (struct fault){0};
		assert_int_equal(tokens_read(&tokens, &config, &fault), ERR_IO);
	}
	assert_int_equal(tokens.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_a_line_is_name_rights_token),
	        cmocka_unit_test(test_what_is_no_such_line_is_refused_with_its_number),
	        cmocka_unit_test(test_what_cannot_be_a_file_of_tokens_is_refused),
	};
	int fd = mkstemp(path);

	if (fd == -1)
		return 1;
	close(fd);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

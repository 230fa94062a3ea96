/*
 * A build without libmicrohttpd: what is configured for HTTP has no effect, and that is logged.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "bot/http/web.h"

static void test_http_without_effect_is_told(void **state)
{
	struct config config = {0};
	struct web *web;
	char log[256] = "";
	int saved = dup(STDERR_FILENO), file = memfd_create("log", MFD_CLOEXEC);

	assert_true(saved >= 0 && file >= 0 && dup2(file, STDERR_FILENO) >= 0);
	assert_int_equal(web_create(&web, NULL, &config, NULL), OK);
	assert_int_equal(pread(file, log, sizeof(log) - 1, 0), 0); /* nothing is configured */
	config.http.listen = (char *)"127.0.0.1:9000";
	web_configure(web, &config);
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	close(saved);
	assert_true(pread(file, log, sizeof(log) - 1, 0) > 0);
	close(file);
	assert_non_null(strstr(log, "[http] listen has no effect: this build has no HTTP"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_http_without_effect_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

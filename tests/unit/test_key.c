/*
 * Tests of the text that the pickle key is derived from: made once, and never in the place of a
 * lost one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "bot/base/alloc.h"
#include "bot/vault/vault_internal.h"

struct keyed {
	char folder[64], path[96], database[96];
	struct config config;
	uint8_t key[CRYPTO_PICKLE_KEY_LEN];
	struct fault fault;
};

static int setup(void **state)
{
	struct keyed *k = x_calloc(1, sizeof(*k));

	strcpy(k->folder, "/tmp/test_key.XXXXXX");
	assert_non_null(mkdtemp(k->folder));
	snprintf(k->path, sizeof(k->path), "%s/pickle-key", k->folder);
	snprintf(k->database, sizeof(k->database), "%s/operations.db", k->folder);
	k->config.storage.database = k->database;
	*state = k;
	return 0;
}

static int teardown(void **state)
{
	struct keyed *k = *state;

	unlink(k->path);
	assert_int_equal(rmdir(k->folder), 0); /* nothing else is left */
	free(k);
	return 0;
}

static void it_is_made_once_and_private(void **state)
{
	struct keyed *k = *state;
	uint8_t first[CRYPTO_PICKLE_KEY_LEN];
	struct stat st;

	assert_int_equal(key_read(&k->config, true, k->key, &k->fault), OK);
	memcpy(first, k->key, sizeof(first));
	assert_int_equal(stat(k->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	for (int may_make = 0; may_make < 2; may_make++) {
		memset(k->key, 0, sizeof(k->key));
		assert_int_equal(key_read(&k->config, may_make, k->key, &k->fault), OK);
		assert_memory_equal(k->key, first, sizeof(first));
	}
}

static void a_lost_one_is_not_replaced(void **state)
{
	struct keyed *k = *state;

	assert_int_equal(key_read(&k->config, false, k->key, &k->fault), ERR_NOT_FOUND);
	assert_non_null(strstr(k->fault.text, "pickle-key"));
	assert_non_null(strstr(k->fault.text, "is missing: restore it from the backup"));
	assert_int_equal(access(k->path, F_OK), -1);
}

static void a_short_one_is_refused(void **state)
{
	struct keyed *k = *state;
	FILE *file = fopen(k->path, "w");

	fputs("too short\n", file);
	fclose(file);
	assert_int_equal(chmod(k->path, 0600), 0);
	assert_int_equal(key_read(&k->config, true, k->key, &k->fault), ERR_INVALID);
}

/* A disk that takes half of it is full, and nothing is left of the attempt. */
static void a_full_disk_is_told_as_that(void **state)
{
	struct keyed *k = *state;
	struct rlimit limit, small;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	small = limit;
	small.rlim_cur = 10;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(key_read(&k->config, true, k->key, &k->fault), ERR_FULL);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_non_null(strstr(k->fault.text, "No space left"));
	assert_int_equal(access(k->path, F_OK), -1);
	assert_int_equal(key_read(&k->config, true, k->key, &k->fault), OK);
}

/* What failed is reported, and not what was called after it. */
static void a_missing_folder_is_told_as_that(void **state)
{
	struct keyed *k = *state;

	snprintf(k->database, sizeof(k->database), "%s/none/operations.db", k->folder);
	assert_int_equal(key_read(&k->config, true, k->key, &k->fault), ERR_IO);
	assert_non_null(strstr(k->fault.text, "No such file or directory"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	        TEST(it_is_made_once_and_private),
	        TEST(a_lost_one_is_not_replaced),
	        TEST(a_short_one_is_refused),
	        TEST(a_full_disk_is_told_as_that),
	        TEST(a_missing_folder_is_told_as_that),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Tests of the recovery key of an account that has cross-signing keys: a connection or token that
 * is lost meanwhile is no fault of the key or of secret storage.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include "bot/base/alloc.h"
#include "bot/vault/vault.h"
#include "tests/unit/loop_fixture.h"
#include "tests/unit/turn.h"

#define STORAGE "/v3/user/%40bot%3Afake.local/account_data/m.secret_storage.default_key"
#define THEIR_KEY "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE"
#define THEIR_KEYS                                                                               \
	"{\"device_keys\":{},\"master_keys\":{\"" FIXTURE_USER "\":{\"user_id\":\"" FIXTURE_USER \
	"\",\"usage\":[\"master\"],\"keys\":{\"ed25519:" THEIR_KEY "\":\"" THEIR_KEY "\"}}}}"

struct recovered {
	struct looped *l;
	struct vault *vault;
	bool settled;
};

static void on_settled(void *arg)
{
	struct recovered *f = arg;

	f->settled = true;
}

static void on_change(void *arg)
{
}

static struct member_list *members(const char *room_id, void *arg)
{
	return NULL;
}

static int setup(void **state)
{
	struct recovered *f = x_calloc(1, sizeof(*f));
	struct vault_events events = {on_settled, on_change, members, f};

	f->l = looped_begin("[encryption]\nrecovery_key_command = echo EsTx\n");
	looped_client(f->l);
	looped_good_homeserver();
	script_rule("POST", "/v3/keys/query", 200, THEIR_KEYS);
	script_rule("GET", STORAGE, 200, NULL); /* waits for the test */
	f->vault = vault_create(&f->l->loop, f->l->writer, f->l->config, &events);
	vault_set_online(f->vault, f->l->mx, NULL, FIXTURE_USER, "DEV1", false);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct recovered *f = *state;
	bool closed = false;

	vault_close(f->vault, turn_set, &closed);
	looped_until(f->l, &closed);
	looped_end(f->l);
	free(f);
	return 0;
}

static void the_connection_is_lost(void **state)
{
	struct recovered *f = *state;

	script_wait("GET", STORAGE);
	vault_set_offline(f->vault);
	looped_turn(f->l, 20);
	assert_null(strstr(vault_problem(f->vault), "recovery key: "));
}

static void the_token_is_refused(void **state)
{
	struct recovered *f = *state;

	script_answer(script_wait("GET", STORAGE), 401,
	        "{\"errcode\":\"M_UNKNOWN_TOKEN\",\"error\":\"gone\"}");
	looped_turn(f->l, 20);
	assert_null(strstr(vault_problem(f->vault), "recovery key: "));
}

static bool has_problem(void *arg)
{
	const struct recovered *f = arg;

	return strstr(vault_problem(f->vault), "recovery key: ");
}

static void secret_storage_is_refused(void **state)
{
	struct recovered *f = *state;

	script_answer(script_wait("GET", STORAGE), 403,
	        "{\"errcode\":\"M_FORBIDDEN\",\"error\":\"not for you\"}");
	looped_wait(f->l, has_problem, f);
	assert_non_null(strstr(vault_problem(f->vault), "m.secret_storage.default_key: "));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	        TEST(the_connection_is_lost),
	        TEST(the_token_is_refused),
	        TEST(secret_storage_is_refused),
	};

	x_alloc_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

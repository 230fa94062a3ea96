/*
 * Tests of the reload: what is applied, what is rejected and by whom, asking while one is under
 * way, and closing during one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/loop/reload.h"
#include "tests/unit/loop_fixture.h"
#include "tests/unit/turn.h"

struct reloaded {
	struct looped *l;
	struct reload *reload; /* NULL once closed */
	unsigned applied;
	bool refuses; /* apply() */
	int64_t throttle_ms;
	char answers[4][256];
	unsigned answered;
};

static enum err on_config(struct config *config, struct fault *fault, void *arg)
{
	struct reloaded *f = arg;

	if (f->refuses)
		return fault_set(fault, ERR_CONFIG, "it does not please");
	f->applied++;
	f->throttle_ms = config->delivery.throttle_ms;
	return OK;
}

static void on_answer(const char *problem, const char *restart, void *arg)
{
	struct reloaded *f = arg;

	snprintf(f->answers[f->answered++], sizeof(f->answers[0]), "%s%s", problem, restart);
}

static int setup(void **state)
{
	struct reloaded *f = x_calloc(1, sizeof(*f));

	f->l = looped_begin("");
	f->reload = reload_create(&f->l->loop, f->l->config, on_config, f);
	*state = f;
	return 0;
}

static void close_reload(struct reloaded *f)
{
	bool closed = false;

	reload_close(f->reload, turn_set, &closed);
	looped_until(f->l, &closed);
	f->reload = NULL;
}

static int teardown(void **state)
{
	struct reloaded *f = *state;

	if (f->reload)
		close_reload(f);
	looped_end(f->l);
	free(f);
	return 0;
}

static void write_bad_config(struct reloaded *f)
{
	FILE *file = fopen(f->l->config_path, "a");

	assert_non_null(file);
	fputs("[delivery]\nthrotle = 1s\n", file);
	fclose(file);
}

static bool is_answered(void *arg)
{
	const struct reloaded *f = arg;

	return f->answered > 0;
}

static void a_good_config_is_applied(void **state)
{
	struct reloaded *f = *state;

	looped_write_config(f->l, "[delivery]\nthrottle = 5s\n");
	reload_ask(f->reload, on_answer, f);
	assert_int_equal(f->answered, 0);
	looped_wait(f->l, is_answered, f);
	assert_string_equal(f->answers[0], "");
	assert_int_equal(f->applied, 1);
	assert_int_equal(f->throttle_ms, 5000);
}

/* Also by the second reload: it is still to come. */
static void keys_that_wait_for_a_restart_are_named(void **state)
{
	struct reloaded *f = *state;

	looped_write_config(f->l, "[http]\nlisten = 127.0.0.1:9400\n");
	for (unsigned i = 0; i < 2; i++) {
		f->answered = 0;
		reload_ask(f->reload, on_answer, f);
		looped_wait(f->l, is_answered, f);
		assert_string_equal(f->answers[0], "[http] listen");
	}
	assert_int_equal(f->applied, 2);
}

static void a_bad_config_is_rejected_with_its_faults(void **state)
{
	struct reloaded *f = *state;

	write_bad_config(f);
	reload_ask(f->reload, on_answer, f);
	looped_wait(f->l, is_answered, f);
	assert_non_null(strstr(f->answers[0], "throttle"));
	assert_int_equal(f->applied, 0);
}

static void whoever_applies_it_may_reject_it(void **state)
{
	struct reloaded *f = *state;

	f->refuses = true;
	reload_ask(f->reload, on_answer, f);
	looped_wait(f->l, is_answered, f);
	assert_string_equal(f->answers[0], "it does not please\n");
}

/* The one under way may have read the file before it was changed. */
static void who_asks_meanwhile_gets_another_reading(void **state)
{
	struct reloaded *f = *state;

	write_bad_config(f);
	reload_ask(f->reload, on_answer, f);
	looped_turn(f->l, 1);
	looped_write_config(f->l, "[delivery]\nthrottle = 7s\n");
	reload_ask(f->reload, on_answer, f);
	reload_ask(f->reload, on_answer, f);
	while (f->answered < 3)
		uv_run(&f->l->loop, UV_RUN_ONCE);
	assert_string_equal(f->answers[1], "");
	assert_string_equal(f->answers[2], "");
	assert_int_equal(f->throttle_ms, 7000);
}

static bool is_applied(void *arg)
{
	const struct reloaded *f = arg;

	return f->applied > 0;
}

static void sighup_reloads(void **state)
{
	struct reloaded *f = *state;

	raise(SIGHUP);
	looped_wait(f->l, is_applied, f);
}

static void close_during_reload(void **state)
{
	struct reloaded *f = *state;

	raise(SIGHUP);
	looped_turn(f->l, 2);
	close_reload(f);
	assert_true(f->applied <= 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(a_good_config_is_applied),
	        TEST(keys_that_wait_for_a_restart_are_named),
	        TEST(a_bad_config_is_rejected_with_its_faults),
	        TEST(whoever_applies_it_may_reject_it),
	        TEST(who_asks_meanwhile_gets_another_reading),
	        TEST(sighup_reloads),
	        TEST(close_during_reload),
	};

	x_alloc_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

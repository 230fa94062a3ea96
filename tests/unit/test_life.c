/*
 * Tests of a process' life: a stop by signal, a part that cannot be created, and one that never
 * closes. Each life is a process of its own, as it ends one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>
#include "bot/base/clock.h"
#include "bot/loop/life.h"

struct owner {
	struct life life;
	uv_timer_t *timer;
	uv_timer_t timer_memory;
	struct owner *stuck;
	enum err fails_with;
	bool closes;
	void (*closed)(void *arg);
	void *closed_arg;
};

static void on_timer(uv_timer_t *timer)
{
}

static enum err create_timer(void *arg, struct fault *fault)
{
	struct owner *owner = arg;

	owner->timer = &owner->timer_memory;
	owner->timer->data = owner;
	uv_timer_init(&owner->life.loop, owner->timer);
	uv_timer_start(owner->timer, on_timer, 1000, 1000);
	return OK;
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct owner *owner = handle->data;

	owner->closed(owner->closed_arg);
}

static void close_timer(void *part, void (*closed)(void *arg), void *arg)
{
	struct owner *owner = ((uv_timer_t *)part)->data;

	owner->closed = closed;
	owner->closed_arg = arg;
	uv_close(part, on_timer_closed);
}

static enum err create_stuck(void *arg, struct fault *fault)
{
	struct owner *owner = arg;

	if (owner->fails_with != OK)
		return fault_set(fault, owner->fails_with, "it cannot be");
	owner->stuck = owner;
	return OK;
}

static void close_stuck(void *part, void (*closed)(void *arg), void *arg)
{
	if (((struct owner *)part)->closes)
		closed(arg);
}

static const struct part table[] = {
        {"timer", offsetof(struct owner, timer), create_timer, NULL, close_timer},
        {"stuck", offsetof(struct owner, stuck), create_stuck, NULL, close_stuck},
};

static void on_opened_stop(void *arg)
{
	raise(SIGTERM);
	raise(SIGINT); /* the second changes nothing */
}

static void on_opened_fail(void *arg)
{
	_exit(99);
}

/* The exit code of such a process. */
static int live(bool closes, enum err fails_with)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		static struct owner owner;

		owner.closes = closes;
		owner.fails_with = fails_with;
		life_prepare();
		life_init(&owner.life, "test", table, 2, &owner);
		_exit(life_run(&owner.life, fails_with == OK ? on_opened_stop : on_opened_fail));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void a_signal_stops_it(void **state)
{
	int64_t begun_ms = clock_monotonic_ms();

	assert_int_equal(live(true, OK), EX_OK);
	assert_true(clock_monotonic_ms() - begun_ms < 3000);
}

static void a_part_that_cannot_be_created_ends_it(void **state)
{
	assert_int_equal(live(true, ERR_BUSY), EX_TEMPFAIL);
	assert_int_equal(live(true, ERR_IO), EX_CONFIG);
}

static void a_part_that_never_closes_is_left(void **state)
{
	int64_t begun_ms = clock_monotonic_ms();

	assert_int_equal(live(false, OK), EX_OK);
	assert_true(clock_monotonic_ms() - begun_ms < 5000);
	assert_true(clock_monotonic_ms() - begun_ms >= LIFE_STOP_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_signal_stops_it),
	        cmocka_unit_test(a_part_that_cannot_be_created_ends_it),
	        cmocka_unit_test(a_part_that_never_closes_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

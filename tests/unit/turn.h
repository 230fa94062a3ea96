/*
 * turn.h - turning a test's loop until something happened, with a guard, and its clean end.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#define TURN_GUARD_MS 20000

static inline void turn_on_guard(uv_timer_t *timer)
{
	fprintf(stderr, "what the test waits for did not happen\n");
	(void)timer;
	abort();
}

static inline void turn_on_prepare(uv_prepare_t *prepare)
{
	if (*(const bool *)prepare->data)
		uv_stop(prepare->loop);
}

/* Turns until *flag is set; looked at before each wait, since a timer may have set it. */
static inline void turn_until(uv_loop_t *loop, const bool *flag)
{
	uv_timer_t guard;
	uv_prepare_t prepare;

	uv_timer_init(loop, &guard);
	uv_timer_start(&guard, turn_on_guard, TURN_GUARD_MS, 0);
	uv_prepare_init(loop, &prepare);
	prepare.data = (void *)flag;
	uv_prepare_start(&prepare, turn_on_prepare);
	if (!*flag)
		uv_run(loop, UV_RUN_DEFAULT);
	uv_close((uv_handle_t *)&guard, NULL);
	uv_close((uv_handle_t *)&prepare, NULL);
	uv_run(loop, UV_RUN_NOWAIT);
}

static inline void turn_on_leftover(uv_handle_t *handle, void *arg)
{
	(void)arg;
	fprintf(stderr, "left over: %s\n", uv_handle_type_name(uv_handle_get_type(handle)));
}

/* Ends the loop; returns what uv_loop_close() says, after naming the handles left over. */
static inline int turn_end(uv_loop_t *loop)
{
	int result;

	for (int i = 0; i < 10; i++)
		uv_run(loop, UV_RUN_NOWAIT);
	result = uv_loop_close(loop);
	if (result != 0)
		uv_walk(loop, turn_on_leftover, NULL);
	return result;
}

/* For closed callbacks: arg is a bool. */
static inline void turn_set(void *arg)
{
	*(bool *)arg = true;
}

/*
 * test_histogram.c - what takes how long goes into which bucket.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "bot/base/histogram.h"

static void a_bound_belongs_to_its_bucket(void **state)
{
	static const struct {
		int64_t ms;
		int bucket; /* -1 = none: above the last bound */
	} table[] = {{0, 0}, {-5, 0}, {1, 0}, {2, 1}, {3, 2}, {5, 2}, {1000, 9}, {1001, 10},
	        {300000, HISTOGRAM_BOUNDS - 1}, {300001, -1}, {INT64_MAX, -1}};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct histogram histogram = {0};

		histogram_add(&histogram, table[i].ms);
		assert_int_equal(histogram.count, 1);
		assert_int_equal(histogram.sum_ms, table[i].ms > 0 ? table[i].ms : 0);
		for (int b = 0; b < HISTOGRAM_BOUNDS; b++)
			assert_int_equal(histogram.buckets[b], b == table[i].bucket);
	}
}

static void bounds_rise(void **state)
{
	for (int i = 1; i < HISTOGRAM_BOUNDS; i++)
		assert_true(histogram_bounds_ms[i] > histogram_bounds_ms[i - 1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_bound_belongs_to_its_bucket),
	        cmocka_unit_test(bounds_rise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

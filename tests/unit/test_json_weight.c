/*
 * test_json_weight.c - the estimate against what jansson allocates.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/buf.h"
#include "bot/base/json_mend.h"
#include "bot/base/json_weight.h"

#define BODY (256 * 1024)
#define MALLOC_EXTRA 16 /* what glibc's allocator keeps beside each allocation, and rounds up */

static size_t allocated, highest;

/* Counts as the allocator would, without its gaps. */
static void *counted_malloc(size_t size)
{
	size_t *place = malloc(size + sizeof(max_align_t));

	assert_non_null(place);
	*place = size + MALLOC_EXTRA;
	allocated += *place;
	highest = allocated > highest ? allocated : highest;
	return (char *)place + sizeof(max_align_t);
}

static void counted_free(void *memory)
{
	if (!memory)
		return;
	char *place = (char *)memory - sizeof(max_align_t);

	allocated -= *(size_t *)(void *)place;
	free(place);
}

/* head, as many units as fit, tail; %d in a unit becomes its number. */
static void body_fill(struct buf *body, const char *head, const char *unit, const char *tail)
{
	buf_init(body, 2 * BODY);
	buf_add_str(body, head);
	for (int i = 0; body->len < BODY; i++)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		buf_printf(body, unit, i);
#pragma GCC diagnostic pop
	buf_add_str(body, tail);
}

static void no_tree_takes_much_more_than_it_weighs(void **state)
{
	static const char *const bodies[][3] = {{"[", "[],", "[]]"}, {"[", "{},", "{}]"},
	        {"[", "1,", "1]"}, {"[", "\"\",", "\"\"]"}, {"[", "null,", "null]"},
	        {"[", "1.5,", "1]"}, {"{", "\"%d\":1,", "\"\":1}"},
	        {"{", "\"%d\":\"\",", "\"\":1}"}, {"{", "\"%d\":{},", "\"\":1}"},
	        {"[", "{\"\":1},", "1]"}, {"[", "[[[[]]]],", "1]"},
	        {"[", "{\"a\":{\"b\":[1]}},", "1]"}, {"\"", "\\u0041", "\""}, {"\"", ",[{:", "\""},
	        {"[", "\"\\\"\",", "1]"}, {"[\"x\xff\",", "{},", "1]"},
	        {"[", "{\"labels\":{\"alertname\":\"a%d\",\"b\":\"c\"},\"annotations\":{}},",
	                "1]"}};

	json_set_alloc_funcs(counted_malloc, counted_free);
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		json_t *notes = json_array(), *tree;
		struct buf body;
		size_t weight;

		body_fill(&body, bodies[i][0], bodies[i][1], bodies[i][2]);
		weight = json_weight(body.data, body.len);
		allocated = highest = 0;
		tree = json_loadb(
		        body.data, body.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
		if (!tree)
			tree = json_mend(body.data, body.len, 16, notes);
		if (!tree)
			fail_msg("%s is no JSON", bodies[i][1]);
		if (highest > weight + weight / 4)
			fail_msg(
			        "%s takes %zu bytes and weighs %zu", bodies[i][1], highest, weight);
		if (weight > 9 * highest + 3 * body.len)
			fail_msg("%s weighs %zu and takes %zu", bodies[i][1], weight, highest);
		json_decref(tree);
		json_decref(notes);
		buf_finish(&body);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(no_tree_takes_much_more_than_it_weighs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

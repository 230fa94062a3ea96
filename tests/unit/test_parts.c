/*
 * Tests of the table of parts: the orders of opening and closing, closes that end at once or
 * later, rows that close together, and a part that cannot be created.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include "bot/loop/parts.h"

struct toy {
	struct owner *owner;
	char letter;
	void (*closed)(void *arg);
	void *arg;
};

struct owner {
	struct parts parts;
	struct toy *a, *b, *c, *d;
	char order[64];   /* lower case: created, upper case: close begun, '*': all closed */
	char late[8];     /* letters of the toys that close later */
	char failing;     /* the toy that cannot be created */
	unsigned applied; /* configs taken over */
};

static void note(struct owner *owner, char letter)
{
	size_t len = strlen(owner->order);

	owner->order[len] = letter;
	owner->order[len + 1] = '\0';
}

static enum err toy_create(struct owner *owner, struct toy **out, char letter, struct fault *fault)
{
	if (owner->failing == letter)
		return fault_set(fault, ERR_BUSY, "%c is taken", letter);
	*out = calloc(1, sizeof(**out));
	assert_non_null(*out);
	(*out)->owner = owner;
	(*out)->letter = letter;
	note(owner, letter);
	return OK;
}

#define CREATE(x, letter)                                            \
	static enum err create_##x(void *owner, struct fault *fault) \
	{                                                            \
		struct owner *o = owner;                             \
		return toy_create(o, &o->x, letter, fault);          \
	}

CREATE(a, 'a')
CREATE(b, 'b')
CREATE(c, 'c')
CREATE(d, 'd')

static void toy_configure(struct toy *toy, struct config *config)
{
	assert_null(config);
	toy->owner->applied++;
	note(toy->owner, toy->letter);
}

static void toy_end(struct toy *toy)
{
	void (*closed)(void *arg) = toy->closed;
	void *arg = toy->arg;

	free(toy);
	closed(arg);
}

static void toy_close(struct toy *toy, void (*closed)(void *arg), void *arg)
{
	toy->closed = closed;
	toy->arg = arg;
	note(toy->owner, (char)(toy->letter - 'a' + 'A'));
	if (!strchr(toy->owner->late, toy->letter))
		toy_end(toy);
}

PART(toy)

static const struct part table[] = {
        {"first", offsetof(struct owner, a), create_a, configure_toy, close_toy},
        {"second", offsetof(struct owner, b), create_b, NULL, close_toy, .along = true},
        {"third", offsetof(struct owner, c), create_c, configure_toy, close_toy},
        {"fourth", offsetof(struct owner, d), create_d, NULL, close_toy},
};

static void on_closed(void *arg)
{
	note(arg, '*');
}

static void owner_init(struct owner *owner)
{
	memset(owner, 0, sizeof(*owner));
	owner->parts = (struct parts){.table = table, .len = 4, .owner = owner};
}

static void opens_in_order_and_closes_in_reverse(void **state)
{
	struct fault fault = {0};
	struct owner owner;

	owner_init(&owner);
	assert_int_equal(parts_open(&owner.parts, &fault), OK);
	assert_string_equal(owner.order, "abcd");
	parts_configure(&owner.parts, NULL);
	assert_string_equal(owner.order, "abcdac");
	assert_int_equal(owner.applied, 2);
	assert_string_equal(parts_closing(&owner.parts), "");
	parts_close(&owner.parts, on_closed, &owner);
	assert_string_equal(owner.order, "abcdacDCBA*");
	assert_null(owner.a);
	assert_null(owner.d);
}

static void close_waits_for_each_part(void **state)
{
	struct fault fault = {0};
	struct owner owner;

	owner_init(&owner);
	strcpy(owner.late, "ad");
	assert_int_equal(parts_open(&owner.parts, &fault), OK);
	parts_close(&owner.parts, on_closed, &owner);
	assert_string_equal(owner.order, "abcdD");
	assert_string_equal(parts_closing(&owner.parts), "fourth");
	assert_non_null(owner.c); /* whole, while what is below it ends */
	toy_end(owner.d);
	assert_string_equal(owner.order, "abcdDCBA");
	assert_string_equal(parts_closing(&owner.parts), "first");
	toy_end(owner.a);
	assert_string_equal(owner.order, "abcdDCBA*");
	assert_string_equal(parts_closing(&owner.parts), "");
}

static void rows_that_go_along_close_together(void **state)
{
	struct fault fault = {0};

	for (int first = 0; first < 2; first++) {
		struct owner owner;

		owner_init(&owner);
		strcpy(owner.late, "bc");
		assert_int_equal(parts_open(&owner.parts, &fault), OK);
		parts_close(&owner.parts, on_closed, &owner);
		assert_string_equal(owner.order, "abcdDCB");
		toy_end(first == 0 ? owner.b : owner.c);
		assert_string_equal(owner.order, "abcdDCB"); /* not before both are over */
		assert_string_equal(parts_closing(&owner.parts), first == 0 ? "third" : "second");
		toy_end(first == 0 ? owner.c : owner.b);
		assert_string_equal(owner.order, "abcdDCBA*");
	}
}

/* Wherever it fails: what was opened is closed, and nothing else. */
static void what_was_opened_before_a_failure_is_closed(void **state)
{
	static const char *const orders[] = {"*", "aA*", "abBA*", "abcCBA*"};

	for (int i = 0; i < 4; i++) {
		struct fault fault = {0};
		struct owner owner;

		owner_init(&owner);
		owner.failing = (char)('a' + i);
		assert_int_equal(parts_open(&owner.parts, &fault), ERR_BUSY);
		assert_non_null(strstr(fault.text, "is taken"));
		parts_close(&owner.parts, on_closed, &owner);
		assert_string_equal(owner.order, orders[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(opens_in_order_and_closes_in_reverse),
	        cmocka_unit_test(close_waits_for_each_part),
	        cmocka_unit_test(rows_that_go_along_close_together),
	        cmocka_unit_test(what_was_opened_before_a_failure_is_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

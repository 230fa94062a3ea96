/*
 * fuzz_matchers.c - the matchers of a silence, read, matched with values from the same input, and
 * written out: what is written is read as the same again.
 */
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/matcher.h"
#include "tests/fuzz/fuzz.h"

static const char *value_of(const char *name, void *arg)
{
	return arg;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = memchr(data, '\n', size);
	size_t len = end ? (size_t)(end - data) : size;
	char *text = x_strndup((const char *)data, len);
	char *value = end ? x_strndup((const char *)end + 1, size - len - 1) : x_strdup("etl");
	struct matchers *matchers = NULL, *again = NULL;
	struct buf out;
	char why[160];

	buf_init(&out, 64 * 1024);
	if (matchers_parse(text, &matchers, why) == OK) {
		matchers_match(matchers, value_of, value);
		matchers_text(matchers, &out);
		if (matchers_parse(buf_str(&out), &again, why) != OK)
			abort();
	}
	matchers_free(matchers);
	matchers_free(again);
	buf_finish(&out);
	free(value);
	free(text);
	return 0;
}

/*
 * json_weight.c - see json_weight.h. The bytes inside strings weigh by their number alone. The
 * weights are those of jansson 2.14 with glibc's allocator on 64 bits.
 */
#include "bot/base/json_weight.h"

#include <stdbool.h>

#define WEIGHT_BYTE 3 /* the parser's buffer and the string; U+FFFD for an invalid byte */
#define WEIGHT_OBJECT 256
#define WEIGHT_ARRAY 160
#define WEIGHT_ELEMENT 112 /* of an array, or half a member of an object */

size_t json_weight(const char *text, size_t len)
{
	size_t weight = WEIGHT_BYTE * len + WEIGHT_ELEMENT;
	bool in_string = false;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (in_string && c == '\\')
			i++;
		else if (c == '"')
			in_string = !in_string;
		else if (in_string)
			continue;
		else if (c == '{')
			weight += WEIGHT_OBJECT;
		else if (c == '[')
			weight += WEIGHT_ARRAY;
		else if (c == ',' || c == ':')
			weight += WEIGHT_ELEMENT;
	}
	return weight;
}

/*
 * happened.c - see happened.h.
 */
#include "bot/loop/happened.h"

void happened_tell(const json_t *events, happened_fn tell, void *arg)
{
	json_t *event;
	size_t i;

	if (!tell)
		return;
	json_array_foreach(events, i, event)
	{
		tell(json_incref(event), arg);
	}
}

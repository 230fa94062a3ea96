/*
 * canvas_linked.c - canvas_load() for tests of drawing: what the module holds is linked into them.
 */
#include "bot/charts/canvas.h"

extern const struct canvas_kind canvas_cairo;

const struct canvas_kind *canvas_load(struct fault *fault)
{
	return &canvas_cairo;
}

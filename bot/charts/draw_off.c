/*
 * draw_off.c - draw.h in a build without cairo.
 */
#include "bot/charts/draw.h"

enum err draw_chart(const struct figures *figures, struct drawing *out)
{
	*out = (struct drawing){0};
	return ERR_UNSUPPORTED;
}

void drawing_finish(struct drawing *drawing)
{
	buf_finish(&drawing->png);
}

/*
 * draw.h - a chart as a PNG, for a phone: 390 points wide at two pixels a point, light, with large
 * text and a legend. For any thread, one at a time.
 */
#pragma once

#include "handlers/charts/figures.h"

#define DRAW_WIDTH 780         /* pixels */
#define DRAW_PNG_MAX (1 << 20) /* bytes */

struct drawing {
	struct buf png;
	int width, height;
};

/* Fills *out, which drawing_finish() follows on any result. ERR_UNSUPPORTED: there is nothing to
 * draw with (canvas_load()). */
enum err draw_chart(const struct figures *figures, struct drawing *out, struct fault *fault);
void drawing_finish(struct drawing *drawing);

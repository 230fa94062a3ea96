/*
 * canvas.h - what a chart is drawn on. Its one kind is in a module that is loaded with the first
 * chart: few ask for one, and cairo brings a dozen libraries along. One at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "bot/base/err.h"

struct canvas;

typedef bool canvas_write(void *arg, const void *data, size_t len);

struct canvas_kind {
	const char *version; /* of the bot it was built with */
	/* White, in pixels; all other lengths are multiplied by the scale. Without a height nothing
	 * is kept: to see how high it becomes. Freed by destroy(), also when it is not good(). */
	struct canvas *(*create)(int width, int height, double scale);
	void (*destroy)(struct canvas *canvas);
	void (*box)(struct canvas *canvas, double x, double y, double width, double height,
	        uint32_t color);
	void (*font)(struct canvas *canvas, double size, bool bold); /* of the texts that follow */
	double (*advance)(struct canvas *canvas, const char *text);
	void (*text)(struct canvas *canvas, double x, double y, uint32_t color, const char *text);
	bool (*good)(struct canvas *canvas); /* nothing failed so far */
	bool (*png)(struct canvas *canvas, canvas_write *write, void *arg);
	void (*forget_fonts)(void); /* frees what is remembered of them from canvas to canvas */
};

/* Stays loaded. NULL when it cannot be: ERR_UNSUPPORTED, with the reason. */
const struct canvas_kind *canvas_load(struct fault *fault);

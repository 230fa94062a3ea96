/*
 * canvas_cairo.c - canvas.h by cairo: the module chart_cairo.so, which uses nothing else of the
 * bot. A canvas is a cairo_t, which owns its surface; cairo keeps its own record of failures.
 */
#include "bot/charts/canvas.h"

#include <cairo.h>
#include <fontconfig/fontconfig.h>

extern const struct canvas_kind canvas_cairo; /* looked up by name */

struct canvas_writer {
	canvas_write *write;
	void *arg;
};

static cairo_t *canvas_cr(struct canvas *canvas)
{
	return (cairo_t *)canvas;
}

static void canvas_color(struct canvas *canvas, uint32_t rgb)
{
	cairo_set_source_rgb(canvas_cr(canvas), (rgb >> 16) / 255.0, (rgb >> 8 & 255) / 255.0,
	        (rgb & 255) / 255.0);
}

static struct canvas *canvas_create(int width, int height, double scale)
{
	cairo_surface_t *surface =
	        height > 0 ? cairo_image_surface_create(CAIRO_FORMAT_RGB24, width, height)
	                   : cairo_recording_surface_create(CAIRO_CONTENT_COLOR, NULL);
	cairo_t *cr = cairo_create(surface);

	cairo_surface_destroy(surface);
	cairo_scale(cr, scale, scale);
	cairo_set_source_rgb(cr, 1, 1, 1);
	cairo_paint(cr);
	return (struct canvas *)cr;
}

static void canvas_destroy(struct canvas *canvas)
{
	cairo_destroy(canvas_cr(canvas));
}

static void canvas_box(
        struct canvas *canvas, double x, double y, double width, double height, uint32_t color)
{
	canvas_color(canvas, color);
	cairo_rectangle(canvas_cr(canvas), x, y, width, height);
	cairo_fill(canvas_cr(canvas));
}

static void canvas_font(struct canvas *canvas, double size, bool bold)
{
	cairo_select_font_face(canvas_cr(canvas), "sans-serif", CAIRO_FONT_SLANT_NORMAL,
	        bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
	cairo_set_font_size(canvas_cr(canvas), size);
}

static double canvas_advance(struct canvas *canvas, const char *text)
{
	cairo_text_extents_t extents;

	cairo_text_extents(canvas_cr(canvas), text, &extents);
	return extents.x_advance;
}

static void canvas_text(struct canvas *canvas, double x, double y, uint32_t color, const char *text)
{
	canvas_color(canvas, color);
	cairo_move_to(canvas_cr(canvas), x, y);
	cairo_show_text(canvas_cr(canvas), text);
}

static bool canvas_good(struct canvas *canvas)
{
	return cairo_status(canvas_cr(canvas)) == CAIRO_STATUS_SUCCESS;
}

static cairo_status_t canvas_on_png(void *closure, const unsigned char *data, unsigned length)
{
	const struct canvas_writer *writer = closure;

	return writer->write(writer->arg, data, length) ? CAIRO_STATUS_SUCCESS
	                                                : CAIRO_STATUS_WRITE_ERROR;
}

static bool canvas_png(struct canvas *canvas, canvas_write *write, void *arg)
{
	struct canvas_writer writer = {write, arg};

	return cairo_surface_write_to_png_stream(cairo_get_target(canvas_cr(canvas)), canvas_on_png,
	               &writer) == CAIRO_STATUS_SUCCESS;
}

static void canvas_forget_fonts(void)
{
	cairo_debug_reset_static_data();
	FcFini();
}

__attribute__((visibility("default"))) const struct canvas_kind canvas_cairo = {
        .version = BOT_VERSION,
        .create = canvas_create,
        .destroy = canvas_destroy,
        .box = canvas_box,
        .font = canvas_font,
        .advance = canvas_advance,
        .text = canvas_text,
        .good = canvas_good,
        .png = canvas_png,
        .forget_fonts = canvas_forget_fonts,
};

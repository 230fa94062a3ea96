/*
 * draw.c - see draw.h. One column from top to bottom: each part draws itself at `y` and moves it
 * on. It is drawn twice, the first time to see how high it becomes.
 */
#include "bot/charts/draw.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "bot/base/clock.h"
#include "bot/base/text.h"
#include "bot/charts/canvas.h"

#define SCALE 2.0
#define WIDTH (DRAW_WIDTH / SCALE)
#define HEIGHT_MAX 2000.0
#define MARGIN 16.0
#define RIGHT (WIDTH - MARGIN)
#define BARS_LEFT (MARGIN + 34)
#define BARS_HEIGHT 170.0
#define STEPS_HEIGHT 70.0
#define NAME_POINTS 100
#define TICKS_MAX 4

enum draw_align { DRAW_LEFT, DRAW_CENTER, DRAW_RIGHT };

struct draw_text {
	double size;
	bool bold;
	uint32_t color;
	enum draw_align align;
	double width; /* what is longer is cut; 0 = any */
};

struct draw {
	const struct canvas_kind *kind;
	struct canvas *canvas;
	double y;
};

static const uint32_t draw_ink = 0x1c1c1e, draw_pale = 0x5f6368, draw_grid = 0xe4e6ea;
/* Told apart by how light they are, too. */
static const uint32_t draw_colors[SEVERITY_COUNT] = {0x5b8def, 0xf2a33a, 0xb3261e};
static const struct draw_text draw_label = {12, false, 0x5f6368, DRAW_CENTER, 0};

static void draw_box(
        struct draw *draw, double x, double y, double width, double height, uint32_t color)
{
	draw->kind->box(draw->canvas, x, y, width, height, color);
}

/* --- text --------------------------------------------------------------------------------- */

static double draw_advance(struct draw *draw, const char *text)
{
	return draw->kind->advance(draw->canvas, text);
}

/* Cuts it so that it fits, "…" included. */
static void draw_cut(struct draw *draw, struct buf *text, double width)
{
	while (text->len > 0 && draw_advance(draw, buf_str(text)) > width) {
		size_t len = text->len;
		bool cut = len > 3 && strcmp(text->data + len - 3, "…") == 0;

		len -= cut ? 3 : 0;
		while (len > 0 && ((unsigned char)text->data[--len] & 0xC0) == 0x80)
			;
		text->len = len;
		text->data[len] = '\0';
		if (len > 0)
			buf_add_str(text, "…");
	}
}

/* y is the line that letters stand on. Returns how wide it is. Text from outside is made neutral.
 */
static double draw_text(
        struct draw *draw, double x, double y, const struct draw_text *style, const char *text)
{
	struct buf plain;
	double width;

	buf_init(&plain, 4096);
	text_add_plain(&plain, text, NAME_POINTS, TEXT_FOLD_NEWLINES);
	draw->kind->font(draw->canvas, style->size, style->bold);
	if (style->width > 0)
		draw_cut(draw, &plain, style->width);
	width = draw_advance(draw, buf_str(&plain));
	x -= style->align == DRAW_CENTER ? width / 2 : style->align == DRAW_RIGHT ? width : 0;
	draw->kind->text(draw->canvas, x, y, style->color, buf_str(&plain));
	buf_finish(&plain);
	return width;
}

/* "950", "12.3k", "4.5M" */
static const char *draw_number(int64_t number, char out[24])
{
	if (number < 10000)
		snprintf(out, 24, "%" PRId64, number);
	else if (number < 1000000)
		snprintf(out, 24, "%.1fk", (double)number / 1e3);
	else
		snprintf(out, 24, "%.1fM", (double)number / 1e6);
	return out;
}

static void draw_heading(struct draw *draw, const char *text)
{
	draw->y += 38;
	draw_text(
	        draw, MARGIN, draw->y, &(struct draw_text){16, true, draw_ink, DRAW_LEFT, 0}, text);
}

static void draw_title(struct draw *draw, const struct figures *figures)
{
	struct draw_text big = {21, true, draw_ink, DRAW_LEFT, RIGHT - MARGIN};
	struct buf text;

	draw->y = 36;
	if (figures->app) {
		draw_text(draw, MARGIN, draw->y, &big, figures->app);
		draw->y += 26;
		big.size = 17;
	}
	buf_init(&text, 256);
	figures_title(figures, &text);
	draw_text(draw, MARGIN, draw->y, &big, buf_str(&text));
	buf_reset(&text);
	figures_dates(figures, &text);
	draw->y += 21;
	draw_text(draw, MARGIN, draw->y,
	        &(struct draw_text){13, false, draw_pale, DRAW_LEFT, RIGHT - MARGIN},
	        buf_str(&text));
	buf_finish(&text);
}

/* With how many there are of each. */
static void draw_legend(struct draw *draw, const struct figures *figures)
{
	double x = MARGIN;
	char number[24], text[64];

	draw->y += 30;
	for (int i = SEVERITY_COUNT - 1; i >= 0; i--) {
		if (figures->totals[i] == 0)
			continue;
		draw_box(draw, x, draw->y - 12, 13, 13, draw_colors[i]);
		snprintf(text, sizeof(text), "%s %s", draw_number(figures->totals[i], number),
		        severity_names[i]);
		x += 19 + draw_text(draw, x + 19, draw->y,
		                  &(struct draw_text){15, false, draw_ink, DRAW_LEFT, 0}, text);
		x += 16;
	}
}

/* --- over time ---------------------------------------------------------------------------- */

/* The distance of the lines: 1, 2 or 5 times a power of ten. */
static int64_t draw_tick(int64_t most)
{
	static const int64_t factors[] = {1, 2, 5};

	for (int64_t power = 1;; power *= 10)
		for (size_t i = 0; i < 3; i++)
			if (factors[i] * power * TICKS_MAX >= most)
				return factors[i] * power;
}

/* One above the other: the worst at the bottom, where heights can be compared. */
static void draw_stack(struct draw *draw, double x, double bottom, double width, double unit,
        const int64_t counts[SEVERITY_COUNT])
{
	for (int i = SEVERITY_COUNT - 1; i >= 0; i--) {
		double height = unit * (double)counts[i];

		draw_box(draw, x, bottom - height, width, height, draw_colors[i]);
		bottom -= height;
	}
}

static void draw_bars(struct draw *draw, const struct figures *figures)
{
	double slot = (RIGHT - BARS_LEFT) / (double)figures->bars_len, unit;
	struct draw_text left = draw_label;
	int64_t most = 1, tick, top;
	struct buf label;
	char number[24];

	buf_init(&label, 64);
	for (size_t i = 0; i < figures->bars_len; i++)
		most = figures_sum(figures->bars[i].counts) > most
		               ? figures_sum(figures->bars[i].counts)
		               : most;
	tick = draw_tick(most);
	top = (most + tick - 1) / tick * tick;
	unit = BARS_HEIGHT / (double)top;
	left.align = DRAW_RIGHT;
	draw->y += 22 + BARS_HEIGHT;
	for (int64_t at = 0; at <= top; at += tick) {
		double y = draw->y - unit * (double)at;

		draw_box(draw, BARS_LEFT, y - 0.5, RIGHT - BARS_LEFT, 1,
		        at == 0 ? draw_pale : draw_grid);
		draw_text(draw, BARS_LEFT - 6, y + 4, &left, draw_number(at, number));
	}
	for (size_t i = 0; i < figures->bars_len; i++) {
		double x = BARS_LEFT + slot * (double)i;

		draw_stack(
		        draw, x + slot * 0.12, draw->y, slot * 0.76, unit, figures->bars[i].counts);
		buf_reset(&label);
		figures_bar_label(figures, i, &label);
		draw_text(draw, x + slot / 2, draw->y + 17, &draw_label, buf_str(&label));
	}
	buf_finish(&label);
	draw->y += 17;
}

/* --- by app, or what failed --------------------------------------------------------------- */

static void draw_top_row(struct draw *draw, const struct chart_top *top, int64_t most)
{
	double x = MARGIN, unit = (RIGHT - MARGIN) / (double)most;
	char number[24];

	draw->y += 25;
	draw_text(draw, MARGIN, draw->y,
	        &(struct draw_text){14, false, draw_ink, DRAW_LEFT, RIGHT - MARGIN - 60},
	        top->name);
	draw_text(draw, RIGHT, draw->y, &(struct draw_text){14, true, draw_ink, DRAW_RIGHT, 0},
	        draw_number(figures_sum(top->counts), number));
	draw->y += 7;
	for (int i = SEVERITY_COUNT - 1; i >= 0; i--) {
		draw_box(draw, x, draw->y, unit * (double)top->counts[i], 8, draw_colors[i]);
		x += unit * (double)top->counts[i];
	}
	draw->y += 8;
}

static void draw_top(struct draw *draw, const struct figures *figures)
{
	int64_t more = figures->top_total - (int64_t)figures->top_len;
	char text[64], number[24];

	if (figures->top_len == 0)
		return;
	draw_heading(draw, figures->app ? "By failure" : "By app");
	for (size_t i = 0; i < figures->top_len; i++)
		draw_top_row(draw, &figures->top[i], figures_sum(figures->top[0].counts));
	if (more <= 0)
		return;
	snprintf(text, sizeof(text), "+%s more", draw_number(more, number));
	draw->y += 22;
	draw_text(draw, MARGIN, draw->y, &(struct draw_text){13, false, draw_pale, DRAW_LEFT, 0},
	        text);
}

/* --- acknowledgements --------------------------------------------------------------------- */

static void draw_steps(struct draw *draw, const struct figures *figures)
{
	double slot = (RIGHT - MARGIN) / FIGURES_STEPS;
	int64_t most = 1;
	char number[24];

	for (size_t i = 0; i < FIGURES_STEPS; i++)
		most = figures->steps[i] > most ? figures->steps[i] : most;
	draw->y += 26 + STEPS_HEIGHT;
	draw_box(draw, MARGIN, draw->y - 0.5, RIGHT - MARGIN, 1, draw_pale);
	for (size_t i = 0; i < FIGURES_STEPS; i++) {
		double x = MARGIN + slot * ((double)i + 0.5);
		double height = STEPS_HEIGHT * (double)figures->steps[i] / (double)most;

		draw_box(draw, x - slot * 0.3, draw->y - height, slot * 0.6, height, 0x3d8361);
		draw_text(draw, x, draw->y + 17, &draw_label, figures_step_name(i));
		if (figures->steps[i])
			draw_text(draw, x, draw->y - height - 5,
			        &(struct draw_text){13, true, draw_ink, DRAW_CENTER, 0},
			        draw_number(figures->steps[i], number));
	}
	draw->y += 17;
}

static void draw_acks(struct draw *draw, const struct figures *figures)
{
	char half[24], most[24], text[96], number[24];

	if (figures->acked == 0 && figures->unacked == 0)
		return;
	draw_heading(draw, "Time to acknowledge");
	if (figures->acked) {
		clock_format_duration(figures->median_ms, half, sizeof(half));
		clock_format_duration(figures->p90_ms, most, sizeof(most));
		snprintf(text, sizeof(text), "half within %s · 90%% within %s", half, most);
		draw->y += 23;
		draw_text(draw, MARGIN, draw->y,
		        &(struct draw_text){14, false, draw_ink, DRAW_LEFT, RIGHT - MARGIN}, text);
		draw_steps(draw, figures);
	}
	if (figures->unacked) {
		snprintf(text, sizeof(text), "%s unacknowledged",
		        draw_number(figures->unacked, number));
		draw->y += 26;
		draw_text(draw, MARGIN, draw->y,
		        &(struct draw_text){14, true, draw_colors[SEVERITY_CRITICAL], DRAW_LEFT, 0},
		        text);
	}
}

/* --- the picture -------------------------------------------------------------------------- */

static bool draw_write(void *arg, const void *data, size_t len)
{
	struct buf *png = arg;

	buf_add(png, data, len);
	return !png->overflow;
}

/* Returns the height it takes, or -1 when it failed. */
static double draw_all(struct draw *draw, const struct figures *figures)
{
	draw_title(draw, figures);
	draw_legend(draw, figures);
	draw_bars(draw, figures);
	draw_top(draw, figures);
	draw_acks(draw, figures);
	return draw->kind->good(draw->canvas) ? draw->y + MARGIN : -1;
}

static double draw_height(const struct canvas_kind *kind, const struct figures *figures)
{
	struct draw nowhere = {.kind = kind, .canvas = kind->create(DRAW_WIDTH, 0, SCALE)};
	double height = draw_all(&nowhere, figures);

	kind->destroy(nowhere.canvas);
	return height;
}

static bool draw_png(
        const struct canvas_kind *kind, const struct figures *figures, struct drawing *out)
{
	double height = draw_height(kind, figures);
	struct draw draw = {.kind = kind};
	bool good;

	if (height < 0 || height > HEIGHT_MAX)
		return false;
	out->height = (int)(height * SCALE);
	draw.canvas = kind->create(out->width, out->height, SCALE);
	good = draw_all(&draw, figures) >= 0 && kind->png(draw.canvas, draw_write, &out->png);
	kind->destroy(draw.canvas);
	return good;
}

enum err draw_chart(const struct figures *figures, struct drawing *out, struct fault *fault)
{
	const struct canvas_kind *kind = canvas_load(fault);
	bool good;

	*out = (struct drawing){.width = DRAW_WIDTH};
	buf_init(&out->png, DRAW_PNG_MAX);
	if (!kind)
		return ERR_UNSUPPORTED;
	good = draw_png(kind, figures, out);
	kind->forget_fonts(); /* charts are rare */
	return good ? OK : fault_set(fault, ERR_IO, "%s", "");
}

void drawing_finish(struct drawing *drawing)
{
	buf_finish(&drawing->png);
}

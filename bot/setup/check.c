/*
 * check.c - see check.h.
 */
#include "bot/setup/check.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include "bot/base/alloc.h"
#include "bot/base/text.h"

#define FOUND_POINTS 400
#define WHAT_COLUMN 16 /* code points */

void check_finish(struct check *check)
{
	for (size_t i = 0; i < check->len; i++) {
		free(check->lines[i].what);
		free(check->lines[i].found);
		free(check->lines[i].fix);
	}
	free(check->lines);
	x_wipe_free_str(check->token);
	free(check->user_id);
	free(check->device_id);
	*check = (struct check){0};
}

static char *__attribute__((format(printf, 1, 0))) check_neutral(const char *format, va_list args)
{
	struct buf out;
	char *text;

	if (vasprintf(&text, format, args) < 0)
		text = x_strdup("");
	buf_init(&out, 4 * FOUND_POINTS + 16);
	text_add_plain(&out, text, FOUND_POINTS, TEXT_FOLD_NEWLINES);
	free(text);
	return buf_take(&out);
}

static void __attribute__((format(printf, 4, 0))) check_add(struct check *check,
        enum check_level level, const char *what, const char *format, va_list args)
{
	struct check_line *line;

	check->lines = x_realloc(check->lines, (check->len + 1) * sizeof(*check->lines));
	line = &check->lines[check->len++];
	line->level = level;
	line->what = x_strdup(what);
	line->found = check_neutral(format, args);
	line->fix = NULL;
}

void check_good(struct check *check, const char *what, const char *found, ...)
{
	va_list args;

	va_start(args, found);
	check_add(check, CHECK_GOOD, what, found, args);
	va_end(args);
}

void check_warning(struct check *check, const char *what, const char *found, ...)
{
	va_list args;

	va_start(args, found);
	check_add(check, CHECK_WARNING, what, found, args);
	va_end(args);
}

/* An error that the operator must fix takes precedence over one that may pass by itself. */
static int check_worse_of(int a, int b)
{
	static const int order[] = {EX_CONFIG, EX_UNAVAILABLE, EX_TEMPFAIL};

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		if (a == order[i] || b == order[i])
			return order[i];
	return EX_OK;
}

void check_fault(struct check *check, int exit_code, const char *what, const char *found, ...)
{
	va_list args;

	va_start(args, found);
	check_add(check, CHECK_FAULT, what, found, args);
	va_end(args);
	check->exit_code = check_worse_of(check->exit_code, exit_code);
}

void check_fix(struct check *check, const char *fix, ...)
{
	struct check_line *line = &check->lines[check->len - 1];
	va_list args;

	va_start(args, fix);
	free(line->fix);
	line->fix = check_neutral(fix, args);
	va_end(args);
}

void check_fix_later(struct check *check)
{
	check_fix(check, "try again in a minute; if it stays so, ask an admin of the homeserver");
}

/* --- printing ------------------------------------------------------------------------------- */

static size_t check_count_points(const char *text)
{
	size_t len = strlen(text), count = 0;

	while (len > 0) {
		unsigned point;
		size_t used = text_decode(text, len, &point);

		text += used;
		len -= used;
		count++;
	}
	return count;
}

static void print_table(const struct check *check, FILE *out)
{
	static const char *const marks[] = {"✓", "!", "✗"};
	size_t faults = 0, warnings = 0, width = WHAT_COLUMN;

	for (size_t i = 0; i < check->len; i++)
		if (check_count_points(check->lines[i].what) > width)
			width = check_count_points(check->lines[i].what);
	for (size_t i = 0; i < check->len; i++) {
		const struct check_line *line = &check->lines[i];

		fprintf(out, "%s %s%*s  %s\n", marks[line->level], line->what,
		        (int)(width - check_count_points(line->what)), "", line->found);
		if (line->fix)
			fprintf(out, "  %*s  → %s\n", (int)width, "", line->fix);
		faults += line->level == CHECK_FAULT;
		warnings += line->level == CHECK_WARNING;
	}
	if (faults > 0)
		fprintf(out, "\n%zu error%s, %zu warning%s\n", faults, faults == 1 ? "" : "s",
		        warnings, warnings == 1 ? "" : "s");
	else if (warnings > 0)
		fprintf(out, "\nall well, %zu warning%s\n", warnings, warnings == 1 ? "" : "s");
	else
		fprintf(out, "\nall well\n");
}

static void check_print_json(const struct check *check, FILE *out)
{
	static const char *const levels[] = {"good", "warning", "fault"};
	json_t *list = json_array();
	json_t *object;

	for (size_t i = 0; i < check->len; i++) {
		const struct check_line *line = &check->lines[i];

		json_array_append_new(
		        list, json_pack("{s:s, s:s, s:s, s:s?}", "level", levels[line->level],
		                      "what", line->what, "found", line->found, "fix", line->fix));
	}
	object = json_pack("{s:b, s:o}", "ok", check->exit_code == EX_OK, "checks", list);
	json_dumpf(object, out, JSON_COMPACT);
	fprintf(out, "\n");
	json_decref(object);
}

void check_print(const struct check *check, bool json, FILE *out)
{
	if (json)
		check_print_json(check, out);
	else
		print_table(check, out);
}

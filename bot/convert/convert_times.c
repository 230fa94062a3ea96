/*
 * convert_times.c - converts mute times of routes to sections [quiet NAME]: see convert_internal.h.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include "bot/base/alloc.h"
#include "bot/convert/convert_internal.h"

#define QUIETS_LEN_MAX 200
#define LIST_MAX 50 /* of every list here: YAML aliases can multiply the entries */
#define WHAT_MAX (4 * 1024)

static int convert_interval(const struct convert *c, const char *name)
{
	static const char *const keys[] = {"time_intervals", "mute_time_intervals"};
	int item;

	for (size_t k = 0; k < 2; k++) {
		int list = tree_get(c->tree, tree_root(c->tree), keys[k]);

		for (size_t i = 0; i < LIST_MAX && (item = tree_item(c->tree, list, i)); i++)
			if (strcmp(tree_text(c->tree, tree_get(c->tree, item, "name")), name) == 0)
				return item;
	}
	return 0;
}

/* The matchers from the root to a route in the syntax of bot/base/matcher.h; false: unusable. */
static bool convert_what(const struct convert *c, const struct am_route *route, struct buf *out)
{
	struct matchers *matchers = NULL;
	bool good;
	char why[160];

	for (;; route = &c->routes.list[route->parent]) {
		if (route->why[0])
			return false;
		am_matchers_text(route->matchers, route->matchers_len, out);
		if (route == c->routes.list)
			break;
	}
	if (out->len == 0)
		return true;
	/* in a config a value ends at a line end or a comment */
	for (const char *at = out->data; *at; at++)
		if (iscntrl((unsigned char)*at) || *at == ';' || *at == '#')
			return false;
	good = !out->overflow && matchers_parse(out->data, &matchers, why) == OK;
	matchers_free(matchers);
	return good;
}

/* "monday:friday" as "mon-fri"; false: it is not of that form. */
static bool convert_add_days(struct buf *out, const char *text)
{
	static const char *const names[] = {
	        "sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"};
	size_t len = strcspn(text, ":");
	bool found = false;

	for (size_t i = 0; i < 7 && !found; i++)
		if (strncasecmp(text, names[i], len) == 0 && strlen(names[i]) == len) {
			buf_add(out, names[i], 3);
			found = true;
		}
	if (!found || !text[len])
		return found;
	buf_add_char(out, '-');
	return convert_add_days(out, text + len + 1);
}

static bool convert_is_time(const char *text)
{
	return strlen(text) == 5 && strspn(text, "0123456789") == 2 && text[2] == ':' &&
	       strspn(text + 3, "0123456789") == 2 &&
	       (strcmp(text, "24:00") == 0 || (strncmp(text, "24", 2) < 0 && text[3] < '6'));
}

static void convert_add_quiet(struct convert *c, const char *name, const char *what,
        const char *days, const char *from, const char *to)
{
	bool to_midnight = strcmp(to, "24:00") == 0 || strcmp(to, "00:00") == 0;

	/* a quiet time must end: a whole day becomes two of them */
	if (to_midnight && strcmp(from, "00:00") == 0) {
		convert_add_quiet(c, name, what, days, "00:00", "12:00");
		convert_add_quiet(c, name, what, days, "12:00", "24:00");
		return;
	}
	if (++c->quiets_len > QUIETS_LEN_MAX)
		return;
	buf_printf(&c->quiets, "\n[quiet %s-%zu]\n", name, c->quiets_len);
	if (*what)
		buf_printf(&c->quiets, "what = %s\n", what);
	if (*days)
		buf_printf(&c->quiets, "days = %s\n", days);
	buf_printf(&c->quiets, "from = %s\nto = %s\ncritical = yes\n", from,
	        to_midnight ? "00:00" : to);
}

static void convert_zone(struct convert *c, int node)
{
	const char *zone = tree_text(c->tree, node);
	char *path = x_asprintf("/usr/share/zoneinfo/%s", zone);
	struct stat st;
	bool known = *zone && !strstr(zone, "..") && strcmp(zone, "Local") != 0 &&
	             zone[strspn(zone, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	                               "0123456789_+-/")] == '\0' &&
	             stat(path, &st) == 0 && S_ISREG(st.st_mode);

	if (known && !c->zone)
		c->zone = zone;
	if (node && (!known || strcmp(c->zone, zone) != 0))
		convert_note(
		        c, node, "location: quiet times always use the time zone of [heartbeat]");
	free(path);
}

/* Converts one period of a time interval: its days, beginning and end. */
static void convert_period(struct convert *c, const char *name, const char *what, int period)
{
	static const char *const others[] = {"days_of_month", "months", "years"};
	int times = tree_get(c->tree, period, "times"), time;
	int weekdays = tree_get(c->tree, period, "weekdays"), day;
	struct buf days;

	for (size_t i = 0; i < 3; i++)
		if (tree_get(c->tree, period, others[i])) {
			convert_note(c, period, "%s: %s: quiet times have days of the week only",
			        name, others[i]);
			return;
		}
	convert_zone(c, tree_get(c->tree, period, "location"));
	buf_init(&days, 256);
	for (size_t i = 0; i < LIST_MAX && (day = tree_item(c->tree, weekdays, i)); i++) {
		buf_add_str(&days, i ? ", " : "");
		if (!convert_add_days(&days, tree_text(c->tree, day))) {
			convert_note(c, day, "%s: not a day of the week", name);
			goto out;
		}
	}
	if (!times)
		convert_add_quiet(c, name, what, buf_str(&days), "00:00", "24:00");
	for (size_t i = 0; i < LIST_MAX && (time = tree_item(c->tree, times, i)); i++) {
		const char *from = tree_text(c->tree, tree_get(c->tree, time, "start_time"));
		const char *to = tree_text(c->tree, tree_get(c->tree, time, "end_time"));

		if (convert_is_time(from) && convert_is_time(to) && strcmp(from, "24:00") != 0 &&
		        strcmp(from, to) != 0)
			convert_add_quiet(c, name, what, buf_str(&days), from, to);
		else
			convert_note(c, time, "%s: not a time of day", name);
	}
out:
	buf_finish(&days);
}

static void convert_mute(struct convert *c, const struct am_route *route, int name_node)
{
	const char *name = tree_text(c->tree, name_node);
	int interval = convert_interval(c, name), period;
	int periods = tree_get(c->tree, interval, "time_intervals");
	char *section = convert_name(name);
	struct buf what;

	buf_init(&what, WHAT_MAX);
	if (!interval)
		convert_note(c, name_node, "%s.mute_time_intervals: there is none of that name",
		        route->path);
	else if (!convert_what(c, route, &what))
		convert_note(c, name_node,
		        "%s.mute_time_intervals: its matchers cannot be used here", route->path);
	else
		for (size_t i = 0; i < LIST_MAX && (period = tree_item(c->tree, periods, i)); i++)
			convert_period(c, section, buf_str(&what), period);
	buf_finish(&what);
	free(section);
}

void convert_times(struct convert *c)
{
	int name;

	for (size_t i = 0; i < c->routes.len; i++) {
		const struct am_route *route = &c->routes.list[i];
		int list = tree_get(c->tree, route->node, "mute_time_intervals");

		for (size_t k = 0; k < LIST_MAX && c->quiets_len <= QUIETS_LEN_MAX &&
		                   (name = tree_item(c->tree, list, k));
		        k++)
			convert_mute(c, route, name);
	}
	if (c->quiets_len > QUIETS_LEN_MAX)
		convert_note(c, tree_root(c->tree),
		        "more than %d quiet times: the others are omitted", QUIETS_LEN_MAX);
}
